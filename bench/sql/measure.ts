import type { Database } from "../../src/db/connection/client.js";
import type { Line, Section } from "../report/table.js";
import { measureAggregates } from "./aggregates.js";
import { measureCounts } from "./counts.js";
import { measureLists } from "./lists.js";
import { measureSearches } from "./searches.js";
import { createSqlBench } from "./sql-bench.js";

/**
 * Times every list, count and aggregate as the server asks for it, one after another on one connection: the
 * statement, its planning, and what Node does to make the answer.
 */
export async function measureSql(
  database: Database,
  options: { users: number; mostRuns: number; say: (text: string) => void },
): Promise<{ sections: Section[]; lines: Line[] }> {
  const bench = createSqlBench(database, options);
  const sections = [
    ...(await measureLists(bench)),
    ...(await measureSearches(bench)),
    ...(await measureCounts(bench)),
    ...(await measureAggregates(bench)),
  ];
  return { sections, lines: bench.lines };
}
