import { setTimeout as sleep } from "node:timers/promises";
import { runLoad } from "../http/load.js";
import type { Target } from "../http/processes.js";
import { reads } from "../http/requests.js";
import { KEY, type QueriesOptions, send } from "../queries/asking.js";
import { type Line, median } from "../report/table.js";
import type { Visitor } from "./visitor.js";

const DASHBOARDS = 10;
/** A pair of loads differs by more than this by itself: less of a difference can't be measured. */
const GOAL = 0.97;

/** How many users by id a second are answered while ten overviews stay up to date, beside none; in pairs, whose order alternates. */
export async function measureOpen(
  mirror: Target,
  { cookie }: Visitor,
  options: QueriesOptions & { seconds: number; connections: number; ids: readonly string[] },
): Promise<Line> {
  const { ids, rounds, seconds, connections, say } = options;
  const requests = reads(
    ids.map((id) => `/v1/users/${id}`),
    KEY,
  );

  async function load(isOpen: boolean): Promise<number> {
    const leaving = new AbortController();
    const streams = Array.from({ length: isOpen ? DASHBOARDS : 0 }, () =>
      send(mirror, "/dashboard/overview/live", {
        ...{ headers: { cookie }, seen: () => {}, signal: leaving.signal },
      }).catch(() => {}),
    );
    // Each begins with the whole status.
    await sleep(1000);
    const { perSecond, failures } = await runLoad({ url: mirror.url, requests, connections, seconds });
    leaving.abort();
    await Promise.all(streams);
    if (failures > 0) throw new Error(`get by id: ${failures} requests failed`);
    return perSecond;
  }

  const pairs: { alone: number; beside: number }[] = [];
  for (let round = 0; round <= 3 * rounds; round++) {
    say(`get by id beside ten dashboards, round ${round} of ${3 * rounds}`);
    const first = await load(round % 2 === 0);
    const second = await load(round % 2 === 1);
    // The first pair warms up.
    if (round > 0)
      pairs.push(round % 2 === 0 ? { beside: first, alone: second } : { alone: first, beside: second });
  }
  const alone = median(pairs.map((pair) => pair.alone));
  const ratio = median(pairs.map((pair) => pair.beside / pair.alone));
  return {
    ...{ what: "get by id, cached, beside ten dashboards", unit: "/s", p99Ms: null },
    ...{
      median: median(pairs.map((pair) => pair.beside)),
      reference: `alone: ${Math.round(alone)}/s`,
      ratio,
    },
    goals: [{ text: `≥ ${GOAL} ×`, met: ratio >= GOAL }],
  };
}
