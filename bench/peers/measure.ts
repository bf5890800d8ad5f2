import { setTimeout as sleep } from "node:timers/promises";
import type { Sql } from "../../src/db/connection/sql.js";
import { runLoad } from "../http/load.js";
import type { LoadOptions } from "../http/measure.js";
import { type EventKind, SAMPLE } from "../http/requests.js";
import { walPosition, walSince } from "../people/pass.js";
import type { Contestant } from "./contestants.js";
import { checkStored } from "./stored.js";
import { postmasterOf, processorMicroseconds } from "./usage.js";

/**
 * Since the last checkpoint Postgres logs each page whole the first time that it changes. `fresh`: the load begins behind a
 * checkpoint. `between`: it follows such a load, about the users of that one alone, whose pages were logged already.
 */
export type State = "fresh" | "between";

/** One load, per event where that is told. Null: it can't be known here. */
export interface Result {
  contestant: string;
  kind: EventKind;
  state: State;
  perSecond: number;
  p99Ms: number;
  serverUs: number | null;
  postgresUs: number | null;
  walBytes: number;
}

/** Events to make for each second of a first load, and for later ones so many times what was taken at most before. */
const FIRST_EVENTS = 4000;
const SPARE = 3;
/** Of each kind for each of them: V8 optimizes what has run for long, and a server that takes webhooks has run for longer still. */
const WARM_UP_SECONDS = 12;
/** What a server puts off, as the mirror does with its search index, is counted too, and doesn't meet the next one's load. */
const SETTLE_MS = 3000;

/** Everyone once per round and kind of event, in turn, so that what else the machine does meets them alike. */
export async function measureContestants(
  sql: Sql,
  contestants: readonly Contestant[],
  options: LoadOptions & { say: (text: string) => void },
): Promise<{ results: Result[]; canCheckpoint: boolean }> {
  const { rounds, connections, say } = options;
  const postmaster = await postmasterOf(sql);
  const results: Result[] = [];
  const wanted = new Map<string, number>();
  /** How many users the last load behind a checkpoint has changed. */
  const changed = new Map<string, number>();
  let canCheckpoint = true;

  async function load(
    contestant: Contestant,
    kind: EventKind,
    seconds: number,
    state: State,
  ): Promise<Result> {
    const key = `${contestant.name} ${kind}`;
    const count = Math.ceil((wanted.get(key) ?? FIRST_EVENTS) * seconds);
    const distinct = state === "between" ? (changed.get(key) ?? SAMPLE) : SAMPLE;
    const requests = await contestant.events(kind, count, distinct);
    if (state === "fresh") canCheckpoint &&= await checkpoint(sql);
    const usage = await usageOf(sql, contestant, postmaster);
    const { perSecond, p99Ms, answered, failures } = await runLoad({
      ...{ url: contestant.target.url, requests, connections, seconds },
    });
    await sleep(SETTLE_MS);
    const used = await usage();
    if (failures > 0) throw new Error(`${contestant.name}: ${failures} requests failed`);
    wanted.set(key, Math.max(wanted.get(key) ?? 0, SPARE * perSecond));
    // It was sent the first events again, which are known by then: once more, with enough.
    if (answered > requests.length) return load(contestant, kind, seconds, state);
    if (state === "fresh") changed.set(key, Math.min(SAMPLE, answered));
    await checkStored(contestant, requests, answered);
    return {
      ...{ contestant: contestant.name, kind, state, perSecond, p99Ms },
      serverUs: used.serverUs === null ? null : used.serverUs / answered,
      postgresUs: used.postgresUs === null ? null : used.postgresUs / answered,
      walBytes: used.walBytes / answered,
    };
  }

  for (let round = 0; round <= rounds; round++) {
    for (const kind of ["identity", "activity"] as const) {
      for (const contestant of contestants.filter(({ kinds }) => kinds.includes(kind))) {
        if (round === 0) {
          say(`warming up: ${contestant.name}, ${kind}`);
          await load(contestant, kind, WARM_UP_SECONDS, "between");
          continue;
        }
        for (const state of ["fresh", "between"] as const) {
          const result = await load(contestant, kind, options.seconds, state);
          say(`round ${round} of ${rounds}: ${contestant.name}, ${kind}, ${state}: ${print(result)}`);
          results.push(result);
        }
      }
    }
  }
  return { results, canCheckpoint };
}

const print = ({ perSecond, p99Ms, walBytes }: Result) =>
  `${perSecond.toFixed(0)}/s, p99 ${p99Ms.toFixed(0)} ms, ${(walBytes / 1000).toFixed(1)} KB of WAL an event`;

/** Null: whoever connects here mayn't. */
async function checkpoint(sql: Sql): Promise<boolean> {
  try {
    await sql`checkpoint`;
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "42501") return false;
    throw error;
  }
}

/** What is used from now until the answer is called. */
async function usageOf(sql: Sql, { target }: Contestant, postmaster: number | null) {
  const lsn = await walPosition(sql);
  const before = processorMicroseconds([target.pid, postmaster]);
  return async () => {
    const after = processorMicroseconds([target.pid, postmaster]);
    const [serverUs = null, postgresUs = null] = after.map((time, n) => {
      const since = before[n] ?? null;
      return time === null || since === null ? null : time - since;
    });
    return { serverUs, postgresUs, walBytes: await walSince(sql, lsn) };
  };
}
