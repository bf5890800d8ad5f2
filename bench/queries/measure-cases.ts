import type { Target } from "../http/processes.js";
import { type Goal, type Line, median, percentile } from "../report/table.js";
import { ask, commitSomething, type QueriesOptions, timed } from "./asking.js";
import type { Case, Limit } from "./cases.js";

/** Each case this often in a row. Most take milliseconds; the longest a second. */
const RUNS = 5;

export const CASES_NOTE =
  "Milliseconds for one request over HTTP, one at a time, on a server of its own; the medians of all runs. *c* is a " +
  "`count(*)` of all users of the same minute. Between two runs something commits, so that nothing counted before is of use.";

export async function measureCases(
  mirror: Target,
  cases: readonly Case[],
  { sql, rounds, only = "", say }: QueriesOptions,
): Promise<Line[]> {
  const chosen = cases.filter(({ what }) => what.includes(only));
  const times = new Map<string, number[]>(chosen.map(({ what }) => [what, []]));
  const counts: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    for (const { what, path, body } of chosen) {
      say(round === 0 ? `warming up: ${what}` : `round ${round} of ${rounds}: ${what}`);
      if (round > 0) counts.push(await timed(() => sql`select count(*) from mirror_data.user_search`));
      for (let run = 0; run < (round === 0 ? 1 : RUNS); run++) {
        await commitSomething(sql);
        const ms = await timed(() => ask(mirror, path, body));
        if (round > 0) times.get(what)?.push(ms);
      }
    }
  }
  const c = median(counts);
  const reference: Line = {
    ...{ what: "c: count(*) of all users", unit: "ms", median: c, p99Ms: percentile(counts, 0.99) },
    ...{ reference: null, ratio: null, goals: [] },
  };
  const medians = new Map([...times].map(([what, own]) => [what, median(own)]));
  const lines = chosen.map(({ what, limit }): Line => {
    const value = medians.get(what) ?? Number.NaN;
    const figures = { unit: "ms" as const, median: value, p99Ms: percentile(times.get(what) ?? [], 0.99) };
    return { what, ...figures, reference: "c", ratio: value / c, goals: [goalOf(limit, value, c, medians)] };
  });
  return [reference, ...lines];
}

function goalOf(limit: Limit, value: number, c: number, medians: ReadonlyMap<string, number>): Goal {
  if ("ms" in limit) return { text: `≤ ${limit.ms} ms`, met: value <= limit.ms };
  const { counts, over } = limit;
  if (over === undefined) return { text: `≤ ${counts} c`, met: value <= counts * c };
  const under = medians.get(over) ?? Number.NaN;
  return { text: `≤ “${over}” + ${counts} c`, met: value <= under + counts * c };
}
