import type { LoadRequest } from "../http/load.js";
import { runPaced } from "../http/paced.js";
import type { Target } from "../http/processes.js";
import { reads, sampleIds, webhooks } from "../http/requests.js";
import { type Line, median } from "../report/table.js";
import { ask, KEY, type QueriesOptions, send } from "./asking.js";

const HEAVY = 10;
const GOAL = 1.5;
const CONNECTIONS = 8;
const SECONDS = 5;
/** Far from what the mirror can answer: what is asked is who waits behind whom, and not how a full machine is divided. */
const READS_PER_SECOND = 500;
const WEBHOOKS_PER_SECOND = 50;

/** What no index knows: each reads everybody. */
const heavy = (n: number) => ({
  filter: { "public_metadata.company": { contains: `zz${n}` }, "unsafe_metadata.theme": { contains: "q" } },
  limit: 50,
  count: true,
});

/** How reads by id and webhooks fare alone, and beside ten heavy queries and an export that go on without end. */
export async function measureNeighbours(mirror: Target, options: QueriesOptions): Promise<Line[]> {
  const { sql, rounds, webhookSecret, say } = options;
  const ids = await sampleIds(sql);
  const gets = reads(
    ids.map((id) => `/v1/users/${id}`),
    KEY,
  );
  const paced = (requests: readonly LoadRequest[], perSecond: number) =>
    runPaced({ url: mirror.url, requests, perSecond, connections: CONNECTIONS, seconds: SECONDS });
  const events = () =>
    webhooks(sql, { ids, count: WEBHOOKS_PER_SECOND * SECONDS, kind: "activity", secret: webhookSecret });
  const alone = { gets: [] as number[], hooks: [] as number[] };
  const beside = structuredClone(alone);
  for (let round = 0; round <= rounds; round++) {
    for (const into of [alone, beside]) {
      say(
        `reads and webhooks ${into === alone ? "alone" : "beside heavy queries"}, round ${round} of ${rounds}`,
      );
      const stop = into === alone ? async () => {} : startHeavy(mirror);
      const read = await paced(gets, READS_PER_SECOND);
      const written = await paced(await events(), WEBHOOKS_PER_SECOND);
      await stop();
      if (round === 0) continue;
      into.gets.push(read);
      into.hooks.push(written);
    }
  }
  return [
    comparison("get by id, p99", median(beside.gets), median(alone.gets)),
    comparison("webhooks, p99", median(beside.hooks), median(alone.hooks)),
  ];
}

function comparison(what: string, beside: number, alone: number): Line {
  const ratio = beside / alone;
  return {
    ...{ what: `${what}, beside ten heavy queries and an export`, unit: "ms", median: beside, p99Ms: null },
    ...{ reference: `alone: ${alone.toFixed(1)} ms`, ratio },
    goals: [{ text: `≤ ${GOAL} ×`, met: ratio <= GOAL }],
  };
}

function startHeavy(mirror: Target): () => Promise<void> {
  const leaving = new AbortController();
  const repeat = async (work: (n: number) => Promise<unknown>) => {
    for (let n = 0; !leaving.signal.aborted; n++) await work(n).catch(() => {});
  };
  const queries = Array.from({ length: HEAVY }, (_, at) =>
    repeat((n) => ask(mirror, "query", heavy(at + HEAVY * n))),
  );
  const exported = repeat(() =>
    send(mirror, "/mirror/users", {
      ...{ headers: { accept: "application/x-ndjson" }, seen: () => {}, signal: leaving.signal },
    }),
  );
  return async () => {
    leaving.abort();
    await Promise.all([...queries, exported]);
  };
}
