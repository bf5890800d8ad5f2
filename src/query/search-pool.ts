import type postgres from "postgres";
import { type Database, SEARCH_SETTINGS } from "../db/client.js";
import type { Parameters } from "./compile.js";

/** A second attempt has been planned by force; what then takes longer is wrong in some other way. */
const SECOND_TIMEOUT_MS = 30_000;
const FORCED = [
  `set local statement_timeout = ${SECOND_TIMEOUT_MS}`,
  "set local enable_indexscan = off",
  "set local enable_indexonlyscan = off",
];
const QUERY_CANCELED = "57014";

/** Poolers take no settings from a connection that begins: there they are set for each search. */
const REFUSED_SETTINGS = "08P01";
const SET_LOCAL = Object.entries(SEARCH_SETTINGS).map(([name, value]) => `set local ${name} = ${value}`);
const behindPooler = new WeakSet<Databases>();

type Databases = Pick<Database, "search" | "sql">;

/**
 * Runs a statement on the pool for searches. One that runs into its timeout was planned as if its term were common or
 * the matches evenly spread; it is run once more with the bitmap forced, whose cost is known.
 */
export async function search<Row extends object>(
  database: Databases,
  text: string,
  params: Parameters,
): Promise<Row[]> {
  try {
    return await firstAttempt<Row>(database, text, params);
  } catch (error) {
    if (!hasCode(error, QUERY_CANCELED)) throw error;
    return within<Row>(database, [...SET_LOCAL, ...FORCED], text, params);
  }
}

async function firstAttempt<Row extends object>(
  database: Databases,
  text: string,
  params: Parameters,
): Promise<Row[]> {
  try {
    if (!behindPooler.has(database)) {
      return await database.search.unsafe<Row[]>(text, [...params.values], { prepare: true });
    }
  } catch (error) {
    if (!hasCode(error, REFUSED_SETTINGS)) throw error;
    behindPooler.add(database);
  }
  return within<Row>(database, SET_LOCAL, text, params);
}

async function within<Row extends object>(
  database: Databases,
  settings: readonly string[],
  text: string,
  params: Parameters,
): Promise<Row[]> {
  const pool = behindPooler.has(database) ? database.sql : database.search;
  return (await pool.begin(async (tx: postgres.TransactionSql) => {
    await tx.unsafe(settings.join("; "));
    return tx.unsafe<Row[]>(text, [...params.values]);
  })) as Row[];
}

const hasCode = (error: unknown, code: string) =>
  error instanceof Error && "code" in error && error.code === code;
