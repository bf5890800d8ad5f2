import type postgres from "postgres";
import type { Database } from "../db/client.js";
import type { Parameters } from "./compile.js";

/** A second attempt has been planned by force; what then takes longer is wrong in some other way. */
const SECOND_TIMEOUT_MS = 30_000;
const QUERY_CANCELED = "57014";

/**
 * Runs a statement on the pool for searches. One that runs into its timeout was planned as if its term were common or
 * the matches evenly spread; it is run once more with the bitmap forced, whose cost is known.
 */
export async function search<Row extends object>(
  database: Pick<Database, "search">,
  text: string,
  params: Parameters,
): Promise<Row[]> {
  try {
    return await database.search.unsafe<Row[]>(text, [...params.values], { prepare: true });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === QUERY_CANCELED)) throw error;
    return (await database.search.begin(async (tx: postgres.TransactionSql) => {
      await tx.unsafe(`set local statement_timeout = ${SECOND_TIMEOUT_MS};
        set local enable_indexscan = off; set local enable_indexonlyscan = off`);
      return tx.unsafe<Row[]>(text, [...params.values]);
    })) as Row[];
  }
}
