import type { Sql } from "../../src/db/connection/sql.js";
import { startMirror, type Target } from "../http/processes.js";
import { type Line, type Section, sectionOf } from "../report/table.js";
import { KEY, type QueriesOptions } from "./asking.js";
import { casesOf, type Known } from "./cases.js";
import { CASES_NOTE, measureCases } from "./measure-cases.js";
import { measureNeighbours } from "./neighbours.js";
import { measureStreams } from "./streams.js";

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
      sectionOf("What Clerk can't answer", [CASES_NOTE], lines),
      sectionOf("Streams", [], streams),
      sectionOf("Beside heavy neighbours", [], neighbours),
    ],
    lines: [...lines, ...streams, ...neighbours],
  };
}

/** The most memory that it took is what this part of the measurements took. */
export async function onServerOfItsOwn<T>(
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
