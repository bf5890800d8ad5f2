import type { Sql } from "../../src/db/connection/sql.js";
import { startMirror, type Target } from "../http/processes.js";
import { type Goal, type Line, median, percentile, type Section, sectionOf } from "../report/table.js";
import { ask, commitSomething, KEY, type QueriesOptions, timed } from "./asking.js";
import { type Case, casesOf, type Known } from "./cases.js";
import { measureNeighbours } from "./neighbours.js";
import { measureStreams } from "./streams.js";

/** Each case this often in a row. Most take milliseconds; the longest a second. */
const RUNS = 5;
const NOTE =
  "Milliseconds for one request over HTTP, one at a time, on a server of its own; the medians of all runs. *c* is a " +
  "`count(*)` of all users of the same minute. Between two runs something commits, so that nothing counted before is of use.";

/** Measures the mirror's own API: what Clerk can't answer. */
export async function measureQueries(
  options: QueriesOptions,
): Promise<{ sections: Section[]; lines: Line[] }> {
  const known = await findKnown(options.sql);
  const apart = <T>(measure: (mirror: Target) => Promise<T>) => onServerOfItsOwn(options, measure);
  const lines = await apart((mirror) => measureCases(mirror, casesOf(known), options));
  const streams = await apart((mirror) => measureStreams(mirror, options));
  const neighbours = await apart((mirror) => measureNeighbours(mirror, options));
  return {
    sections: [
      sectionOf("What Clerk can't answer", [NOTE], lines),
      sectionOf("Streams", [], streams),
      sectionOf("Beside heavy neighbours", [], neighbours),
    ],
    lines: [...lines, ...streams, ...neighbours],
  };
}

/** The most memory that it took is what this part of the measurements took. */
async function onServerOfItsOwn<T>(
  { env }: QueriesOptions,
  measure: (mirror: Target) => Promise<T>,
): Promise<T> {
  const mirror = await startMirror({ ...env, MIRROR_API_KEY: KEY });
  try {
    return await measure(mirror);
  } finally {
    await mirror.stop();
  }
}

async function measureCases(
  mirror: Target,
  cases: readonly Case[],
  options: QueriesOptions,
): Promise<Line[]> {
  const { sql, rounds, only = "", say } = options;
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
  const lines = chosen.map(({ what, limit }): Line => {
    const own = times.get(what) ?? [];
    const value = median(own);
    const goal: Goal =
      "ms" in limit
        ? { text: `≤ ${limit.ms} ms`, met: value <= limit.ms }
        : { text: `≤ ${limit.counts} c`, met: value <= limit.counts * c };
    const figures = { unit: "ms" as const, median: value, p99Ms: percentile(own, 0.99) };
    return { what, ...figures, reference: "c", ratio: value / c, goals: [goal] };
  });
  return [reference, ...lines];
}

async function findKnown(sql: Sql): Promise<Known> {
  const [found] = await sql<Known[]>`
    with sizes as (select organization_id as id, count(*) as n from mirror.organization_memberships group by 1)
    select (select id from sizes where n between 5 and 20 order by id limit 1) as "smallOrganization",
      (select id from sizes order by n desc, id limit 1) as "largestOrganization",
      (select first_name_key from mirror_data.user_search group by 1 order by count(*) desc limit 1) as "firstName",
      (select last_name_key from mirror_data.user_search group by 1 order by count(*) desc limit 1) as "lastName"`;
  if (!found) throw new Error("nobody is there");
  return found;
}
