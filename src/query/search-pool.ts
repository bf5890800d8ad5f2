import type postgres from "postgres";
import type { Database } from "../db/client.js";
import type { Parameters } from "./compile.js";
import type { RawRow } from "./present.js";

/** Up to this many rows a page is given the connection's own timeout; beyond it the slowest that guesses right takes 130. */
const SHORT_PAGE = 20;
const LONG_PAGE = ["set local statement_timeout = 250"];
/** Without a term a deep page is read along its order's index, which is to be priced as the walk that it is: not sorted. */
const LONG_WALK = [...LONG_PAGE, "set local cpu_index_tuple_cost = 0.005"];

/** What takes longer, of that which has to take its time, is wrong in some other way. Read on all cores, where that helps. */
const PATIENT = ["set local statement_timeout = 30000", "set local max_parallel_workers_per_gather = 2"];
const FORCED = [...PATIENT, "set local enable_indexscan = off", "set local enable_indexonlyscan = off"];
const QUERY_CANCELED = "57014";

type Databases = Pick<Database, "search">;

export interface SearchOptions {
  /** Whether an index knows the matches. */
  byIndex: boolean;
  hasTerm: boolean;
  /** How many are passed and brought at most. */
  rows: number;
  /** Another statement for the same, whose cost is known. */
  instead?: () => Promise<RawRow[]>;
}

/**
 * Runs a statement on the pool for searches, and brings its rows as they were sent. One that runs into its timeout was
 * planned as if the matches of its term were evenly spread; where an index knows them, it is run once more with the bitmap
 * forced, whose cost is known.
 */
export async function search(
  database: Databases,
  text: string,
  params: Parameters,
  options: SearchOptions,
): Promise<RawRow[]> {
  const { byIndex, hasTerm, rows, instead } = options;
  try {
    if (rows > SHORT_PAGE) return await within(database, hasTerm ? LONG_PAGE : LONG_WALK, text, params);
    return await database.search.unsafe(text, [...params.values], { prepare: true }).raw();
  } catch (error) {
    if (!hasCode(error, QUERY_CANCELED)) throw error;
    if (instead) return instead();
    return within(database, byIndex ? FORCED : PATIENT, text, params);
  }
}

/** The same for what has but one way, and takes its time: a count, or a term that is looked for from row to row. */
export const searchPatiently = (database: Databases, text: string, params: Parameters) =>
  within(database, PATIENT, text, params);

/** The same for what must not be read in the order of an index: all of it is read, and then ordered. */
export const searchWithoutOrder = (database: Databases, text: string, params: Parameters) =>
  within(database, FORCED, text, params);

async function within(
  { search }: Databases,
  settings: readonly string[],
  text: string,
  params: Parameters,
): Promise<RawRow[]> {
  return (await search.begin(async (tx: postgres.TransactionSql) => {
    await tx.unsafe(settings.join("; "));
    return tx.unsafe(text, [...params.values]).raw();
  })) as RawRow[];
}

const hasCode = (error: unknown, code: string) =>
  error instanceof Error && "code" in error && error.code === code;
