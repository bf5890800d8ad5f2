import type postgres from "postgres";

interface PlanNode {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Scan Direction"?: string;
  "Actual Rows"?: number;
  "Rows Removed by Filter"?: number;
  "Rows Removed by Index Recheck"?: number;
  "Actual Loops"?: number;
  Plans?: PlanNode[];
}

/** What running a statement took of the tables: rows read in all, the indexes, and the tables that were read from end to end. */
export interface Explained {
  rowsRead: number;
  indexes: Set<string>;
  wholeTables: Set<string>;
  sorts: number;
}

/** Runs the statement. */
export async function explainAnalyze(
  sql: postgres.Sql | postgres.TransactionSql,
  statement: string,
): Promise<Explained> {
  const [row] = await sql.unsafe<{ "QUERY PLAN": [{ Plan: PlanNode }] }[]>(
    `explain (analyze, costs off, timing off, summary off, format json) ${statement}`,
  );
  const found: Explained = { rowsRead: 0, indexes: new Set(), wholeTables: new Set(), sorts: 0 };
  const root = row?.["QUERY PLAN"][0].Plan;
  if (root) look(root, found);
  return found;
}

function look(node: PlanNode, found: Explained): void {
  const kind = node["Node Type"];
  if (node["Index Name"]) found.indexes.add(node["Index Name"]);
  if (kind === "Seq Scan" && node["Relation Name"]) found.wholeTables.add(node["Relation Name"]);
  if (kind === "Sort" || kind === "Incremental Sort") found.sorts++;
  if (node["Relation Name"]) {
    const each =
      (node["Actual Rows"] ?? 0) +
      (node["Rows Removed by Filter"] ?? 0) +
      (node["Rows Removed by Index Recheck"] ?? 0);
    found.rowsRead += each * (node["Actual Loops"] ?? 1);
  }
  for (const child of node.Plans ?? []) look(child, found);
}
