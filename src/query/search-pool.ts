import type postgres from "postgres";
import type { Readers } from "../db/connection/client.js";
import { withLimit } from "../db/connection/connections.js";
import { type Asker, createShares, gone } from "../lib/shares.js";
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
const PATIENT_LIMIT_MS = 33_000;
const QUERY_CANCELED = "57014";

/** Waiting costs next to nothing, but nobody waits for an answer behind so many, nor for so long. */
const WAITING = { mostWaiting: 500, longestWaitMs: 10_000 };

export interface SearchOptions {
  asker: Asker;
  /** Whether an index knows the matches. */
  byIndex: boolean;
  hasTerm: boolean;
  /** How many are passed and brought at most. */
  rows: number;
  /** The statement is one of few, and may stay with its connections. */
  prepare: boolean;
  /** Another statement for the same, whose cost is known. */
  instead?: () => Promise<RawRow[]>;
}

/**
 * Statements on the pool for searches; rows come as they were sent. Each key has its turn, and what takes its time leaves
 * a connection to what doesn't. All reject with `overloaded` where too many wait; a statement whose asker has gone is
 * cancelled.
 */
export interface Searches {
  /**
   * One that runs into its timeout was planned as if the matches of its term were evenly spread; where an index knows them,
   * it is run once more with the bitmap forced, whose cost is known.
   */
  search(text: string, params: Parameters, options: SearchOptions): Promise<RawRow[]>;
  /** For what has but one way, and takes its time: a count, or a term that is looked for from row to row. */
  patiently(text: string, params: Parameters, asker: Asker): Promise<RawRow[]>;
  /** For what must not be read in the order of an index: all of it is read, and then ordered. */
  withoutOrder(text: string, params: Parameters, asker: Asker): Promise<RawRow[]>;
}

export function createSearches({ points, searches }: Readers): Searches {
  const width = searches.options.max;
  const quick = createShares({ width, ...WAITING });
  const patient = createShares({ width: Math.max(1, width - 1), ...WAITING });

  async function search(text: string, params: Parameters, options: SearchOptions): Promise<RawRow[]> {
    const { asker, byIndex, instead } = options;
    try {
      return await quick.run(asker, () => tryOnce(text, params, options));
    } catch (error) {
      if (!hasCode(error, QUERY_CANCELED)) throw error;
      return instead ? instead() : slowly(byIndex ? FORCED : PATIENT, text, params, asker);
    }
  }

  async function tryOnce(text: string, params: Parameters, options: SearchOptions): Promise<RawRow[]> {
    const { hasTerm, rows, prepare, asker } = options;
    if (rows > SHORT_PAGE) return within(hasTerm ? LONG_PAGE : LONG_WALK, text, params, asker);
    return searches.unsafe(text, [...params.values], { prepare }).raw();
  }

  const slowly = (settings: readonly string[], text: string, params: Parameters, asker: Asker) =>
    patient.run(asker, () => within(settings, text, params, asker, PATIENT_LIMIT_MS));

  async function within(
    settings: readonly string[],
    text: string,
    params: Parameters,
    asker: Asker,
    limitMs?: number,
  ): Promise<RawRow[]> {
    const pool = limitMs === undefined ? searches : withLimit(searches, limitMs);
    return (await pool.begin(async (tx: postgres.TransactionSql) => {
      const results = await tx.unsafe([...settings, "select pg_backend_pid() as pid"].join("; "));
      const { pid } = (results.at(-1) as unknown as { pid: number }[] | undefined)?.[0] ?? { pid: 0 };
      return whileWanted(asker, pid, () => tx.unsafe(text, [...params.values]).raw());
    })) as RawRow[];
  }

  /**
   * Ends the statement when nobody waits for it any more. The connection is kept until the server has been told: a signal
   * that arrives later would end somebody else's statement.
   */
  async function whileWanted<T>({ signal }: Asker, pid: number, run: () => Promise<T>): Promise<T> {
    if (!signal) return run();
    if (signal.aborted) throw gone();
    let cancelling: Promise<unknown> | null = null;
    const cancel = () => {
      cancelling = points`select pg_cancel_backend(${pid}::int)`.catch(() => {});
    };
    signal.addEventListener("abort", cancel, { once: true });
    try {
      return await run();
    } catch (error) {
      throw cancelling ? gone() : error;
    } finally {
      signal.removeEventListener("abort", cancel);
      await cancelling;
    }
  }

  return {
    search,
    patiently: (text, params, asker) => slowly(PATIENT, text, params, asker),
    withoutOrder: (text, params, asker) => slowly(FORCED, text, params, asker),
  };
}

const hasCode = (error: unknown, code: string) =>
  error instanceof Error && "code" in error && error.code === code;
