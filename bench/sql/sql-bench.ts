import { noCache } from "../../src/cache/user-cache.js";
import { unwatched } from "../../src/db/connection/availability.js";
import type { Database } from "../../src/db/connection/client.js";
import { parseListParams, type RawParams } from "../../src/query/clerk-params.js";
import { createCounts } from "../../src/query/counts.js";
import { createQueryEngine } from "../../src/query/engine.js";
import { createUserQueries, type UserQueries } from "../../src/query/users.js";
import { type Goal, type Line, median, milliseconds, percentile } from "../report/table.js";

/** The least number of runs for a figure. More follow while the time lasts. */
const LEAST_RUNS = 3;
const SPENT_MS = 150;
const SELECTS = 300;

/** What one figure is compared with. */
export interface Against {
  reference?: Line;
  goals?: (figure: Omit<Line, "goals">) => Goal[];
  /** The greatest number of runs. */
  most?: number;
}

/** What the measurements of SQL share: parts of the mirror on one connection each, and the figures so far. */
export interface SqlBench {
  readonly database: Database;
  readonly users: number;
  readonly lines: Line[];
  say(text: string): void;
  /** Parts that have counted nothing yet, because they keep what they have counted. */
  queries(): UserQueries;
  /** Times repeated runs one after another. The first doesn't count. */
  time(what: string, work: (run: number) => Promise<unknown>, against?: Against): Promise<Line>;
  timeList(what: string, params: RawParams, against?: Against): Promise<Line>;
  /** The reference: one prepared SELECT by id, on the connection that lists and searches use. */
  timeSelect(when: string): Promise<Line>;
}

/** `database`: with a single connection in each of its pools. */
export function createSqlBench(
  database: Database,
  { users, mostRuns, say }: { users: number; mostRuns: number; say: (text: string) => void },
): SqlBench {
  const lines: Line[] = [];
  const { guard } = unwatched;
  const nowMs = Date.now;
  // What is known of terms is read once a minute, and not for each count.
  const engine = createQueryEngine(database.readers, { guard, nowMs });
  const queries = () =>
    createUserQueries(database.readers, {
      ...{ nowMs, availability: unwatched, cache: noCache },
      engine: { ...engine, counts: createCounts({ ...engine, guard, nowMs }) },
    });
  const { list } = queries();

  async function time(what: string, work: (run: number) => Promise<unknown>, against: Against = {}) {
    const { reference = null, goals = () => [], most = mostRuns } = against;
    const times = await repeat(work, most);
    const figure = {
      ...{ what, unit: "ms" as const, median: median(times), p99Ms: percentile(times, 0.99) },
      reference: reference?.what ?? null,
      ratio: reference && median(times) / reference.median,
    };
    const line: Line = { ...figure, goals: goals(figure) };
    lines.push(line);
    return line;
  }

  function timeList(what: string, params: RawParams, against?: Against): Promise<Line> {
    return time(what, () => list(parseListParams(params), { privateMetadata: true }), against);
  }

  async function timeSelect(when: string): Promise<Line> {
    const { searches: search } = database.readers;
    const ids = await search<{ id: string }[]>`select id from mirror_data.user_activity limit ${SELECTS}`;
    const text = "select payload from mirror_data.users where id = $1";
    // Searches are planned each time here, as the server does it.
    await search`set plan_cache_mode = auto`;
    try {
      const select = (run: number) =>
        search.unsafe(text, [ids[run % ids.length]?.id ?? ""], { prepare: true });
      return await time(`one prepared SELECT by id, ${when}`, select, { most: SELECTS });
    } finally {
      await search`reset plan_cache_mode`;
    }
  }

  return { database, users, lines, say, queries, time, timeList, timeSelect };
}

async function repeat(work: (run: number) => Promise<unknown>, most: number): Promise<number[]> {
  await work(0);
  const times: number[] = [];
  const end = performance.now() + SPENT_MS;
  while (times.length < LEAST_RUNS || (times.length < most && performance.now() < end)) {
    const begun = performance.now();
    await work(times.length + 1);
    times.push(performance.now() - begun);
  }
  return times;
}

/** A goal for the median, in milliseconds. Null: none. */
export const atMost = (goalMs: number | null): NonNullable<Against["goals"]> =>
  goalMs === null ? () => [] : (figure) => [{ text: `≤ ${goalMs} ms`, met: figure.median <= goalMs }];

/** Both figures of a line, for a cell. */
export const pair = ({ median, p99Ms }: Line) => `${milliseconds(median)} / ${milliseconds(p99Ms ?? 0)}`;

export function slowest(lines: readonly Line[]): Line {
  const [first, ...rest] = lines;
  if (!first) throw new Error("nothing was measured");
  return rest.reduce((worst, line) => (line.median > worst.median ? line : worst), first);
}

/**
 * The last rows of a table, one cell for each of its columns: the slowest figure, its ratio to the reference, and the
 * goal.
 */
export function verdict(columns: readonly (readonly Line[])[]): string[][] {
  const worst = columns.map(slowest);
  return [
    ["worst", ...worst.map(pair)],
    ["ratio to the SELECT", ...worst.map(({ ratio }) => (ratio === null ? "" : `${ratio.toFixed(1)} ×`))],
    ["goal", ...worst.map(({ goals: [goal] }) => goal?.text ?? "")],
    ["met", ...worst.map(({ goals: [goal] }) => (goal ? (goal.met ? "yes" : "no") : ""))],
  ];
}
