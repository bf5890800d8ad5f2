import type postgres from "postgres";
import type { Readers } from "../db/connection/client.js";
import { withLimit } from "../db/connection/connections.js";
import { codeOf } from "../db/connection/trouble.js";
import { AppError } from "../lib/errors.js";
import { type Asker, createShares, gone } from "../lib/shares.js";
import type { Parameters } from "./parameters.js";
import type { RawRow } from "./present.js";
import type { Guess, Thorough } from "./strategy.js";

/** What each kind of guess runs with; null: the timeout of the connection itself (`db/connection/client.ts`). */
const LONG_PAGE = ["set local statement_timeout = 250"];
const SHORT_PAGE = ["set local statement_timeout = 60"];
const LIMITS: Record<Guess["limit"], readonly string[] | null> = {
  few: ["set local statement_timeout = 40"],
  "short page": null,
  "long page": LONG_PAGE,
  // A deep page without a term is read along its order's index, and must be priced as that walk: it must not be sorted.
  "long walk": [...LONG_PAGE, "set local cpu_index_tuple_cost = 0.005"],
};

/** Whatever takes longer than this has gone wrong in some other way. */
const PATIENT = ["set local statement_timeout = 30000"];
const LONGEST_AS_ASKED_MS = 10_000;
const AS_ASKED = [`set local statement_timeout = ${LONGEST_AS_ASKED_MS}`];
const THOROUGH: Record<Thorough["how"], readonly string[]> = {
  patiently: PATIENT,
  "without order": [...PATIENT, "set local enable_indexscan = off", "set local enable_indexonlyscan = off"],
  "as asked": AS_ASKED,
  "by similarity": [
    ...AS_ASKED,
    ...["seqscan", "hashjoin", "mergejoin"].map((way) => `set local enable_${way} = off`),
  ],
};
/**
 * How many processes of Postgres help with a statement, by whether another one is wanted at the same time. With two helpers, one after
 * another, reads by id waited 100 ms for a core at the 99th percentile of 500 a second (two cores, a million users); with one they
 * wait 13, and a statement takes up to a fifth longer.
 */
const HELPERS = { alone: 2, amongOthers: 1 };
/** All parameters are written as Postgres reads them (`Parameters`), so the driver needn't ask for their types first. */
const AS_TEXTS = { prepare: false, texts: true };
const PATIENT_LIMIT_MS = 33_000;
const QUERY_CANCELED = "57014";

/**
 * Waiting costs next to nothing, but nobody waits for an answer behind so many, nor for so long: behind a statement of somebody
 * else that takes all its time there is still a turn.
 */
const WAITING = { mostWaiting: 500, longestWaitMs: LONGEST_AS_ASKED_MS + 5000 };

/**
 * Statements on the pool for searches; rows come as they were sent. Keys take turns. One connection is always left for
 * guesses, which are quick, and one for other keys than the one whose long statements run. All reject with `overloaded` where
 * too many wait; a statement is cancelled when its asker has gone.
 */
export interface Searches {
  /** Null: its time is over. */
  guess(text: string, params: Parameters, guess: Guess, asker: Asker): Promise<RawRow[] | null>;
  thoroughly(text: string, params: Parameters, how: Thorough["how"], asker: Asker): Promise<RawRow[]>;
  /** Statements of one moment, one after another. */
  together<T>(asker: Asker, work: (run: RunTogether) => Promise<T>): Promise<T>;
}

/** `guess`: null when its time is over; the others can be run all the same. */
export interface RunTogether {
  guess(text: string, params: Parameters, limit: Guess["limit"]): Promise<RawRow[] | null>;
  thoroughly(text: string, params: Parameters, how: "as asked" | "by similarity"): Promise<RawRow[]>;
}

export function createSearches({ points, searches }: Readers): Searches {
  const width = searches.options.max;
  const quick = createShares({ width, ...WAITING });
  const places = Math.max(1, width - 1);
  const patient = createShares({ width: places, mostOfOneKey: Math.max(1, places - 1), ...WAITING });

  const settingsFor = (how: Thorough["how"]) => {
    const helpers = patient.wanted() > 1 ? HELPERS.amongOthers : HELPERS.alone;
    return [...THOROUGH[how], `set local max_parallel_workers_per_gather = ${helpers}`];
  };

  async function guess(
    text: string,
    params: Parameters,
    { limit, prepare }: Guess,
    asker: Asker,
  ): Promise<RawRow[] | null> {
    const settings = LIMITS[limit];
    try {
      return await quick.run(asker, () =>
        settings
          ? within(settings, text, params, asker)
          : searches.unsafe(text, [...params.values], { ...AS_TEXTS, prepare }).raw(),
      );
    } catch (error) {
      if (codeOf(error) === QUERY_CANCELED) return null;
      throw error;
    }
  }

  async function within(
    settings: readonly string[],
    text: string,
    params: Parameters,
    asker: Asker,
    limitMs?: number,
  ): Promise<RawRow[]> {
    const pool = limitMs === undefined ? searches : withLimit(searches, limitMs);
    return (await pool.begin((tx: postgres.TransactionSql) =>
      send(tx, settings, text, params, asker),
    )) as RawRow[];
  }

  /** The settings and the statement leave together: a round trip more would take longer than most statements do. */
  async function send(
    on: postgres.TransactionSql,
    settings: readonly string[],
    text: string,
    params: Parameters,
    asker: Asker,
  ): Promise<RawRow[]> {
    const set = on.unsafe([...settings, "select pg_backend_pid() as pid"].join("; ")).execute();
    const pid = set.then((results) => (results.at(-1) as unknown as { pid: number }[])[0]?.pid ?? 0);
    const run = () => on.unsafe(text, [...params.values], AS_TEXTS).raw();
    const [rows] = await Promise.all([whileWanted(asker, pid, run), pid]);
    return rows;
  }

  /**
   * Cancels the statement when nobody waits for it any more. The connection is kept until the server has been told: a
   * signal that arrives later would cancel somebody else's statement.
   */
  async function whileWanted<T>({ signal }: Asker, pid: Promise<number>, run: () => Promise<T>): Promise<T> {
    if (!signal) return run();
    if (signal.aborted) throw gone();
    let cancelling: Promise<unknown> | null = null;
    const cancel = () => {
      cancelling = pid.then((known) => points`select pg_cancel_backend(${known}::int)`).catch(() => {});
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

  async function together<T>(asker: Asker, work: (run: RunTogether) => Promise<T>): Promise<T> {
    const pool = withLimit(searches, PATIENT_LIMIT_MS);
    const begunAtMs = performance.now();
    return (await pool.begin("isolation level repeatable read read only", async (tx) => {
      return work({
        async guess(text, params, limit) {
          try {
            // What its settings were before comes back with the savepoint.
            return (await tx.savepoint((part) =>
              send(part, LIMITS[limit] ?? SHORT_PAGE, text, params, asker),
            )) as RawRow[];
          } catch (error) {
            if (codeOf(error) === QUERY_CANCELED) return null;
            throw error;
          }
        },
        thoroughly(text, params, how) {
          // All of them together have the time of one.
          const leftMs = Math.max(1, Math.round(begunAtMs + LONGEST_AS_ASKED_MS - performance.now()));
          const settings = [...settingsFor(how), `set local statement_timeout = ${leftMs}`];
          return refusing(how, () => send(tx, settings, text, params, asker));
        },
      });
    })) as T;
  }

  return {
    guess,
    thoroughly: (text, params, how, asker) =>
      patient.run(asker, () =>
        refusing(how, () => within(settingsFor(how), text, params, asker, PATIENT_LIMIT_MS)),
      ),
    together: (asker, work) => patient.run(asker, () => together(asker, work)),
  };
}

async function refusing<T>(how: Thorough["how"], run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (codeOf(error) !== QUERY_CANCELED || how === "patiently" || how === "without order") throw error;
    throw tooExpensive(error);
  }
}

const tooExpensive = (cause: unknown) =>
  new AppError("invalid_request", "is too expensive", {
    cause,
    clerkCode: "query_too_expensive",
    longMessage:
      "The query was ended after 10 seconds. Narrow its filter by what few users have and an index knows: an id, an address, a domain, an organization, a value that metadata are equal to, or a range of created_at. Texts for contains, suffix and similar cost less the longer and the rarer they are; order by a field that isn't metadata.",
    meta: { param_name: "filter" },
  });
