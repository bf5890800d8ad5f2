import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import type postgresType from "postgres";
import * as historyTables from "../tables/history.js";
import * as organizationTables from "../tables/organizations.js";
import * as syncTables from "../tables/sync.js";
import * as userTables from "../tables/users.js";
import { type Connections, createConnections, withLimit } from "./connections.js";
import { whileServerWorks } from "./long-statements.js";
import { UNHURRIED } from "./session.js";
import { BIGINT_AS_NUMBER, type Sql } from "./sql.js";

const schema = { ...userTables, ...organizationTables, ...syncTables, ...historyTables };

export type Orm = PostgresJsDatabase<typeof schema>;

/**
 * The channel on which every commit that changes something readable is announced, as `{"ids":[…]}` or `*`. It is part
 * of the SQL contract.
 */
export const NOTIFY_CHANNEL = "mirror_changes";

/** The pools of one process, kept apart so that none waits for another's slow statements. */
export interface Database {
  readonly url: string;
  /** Opens connections for those who need one of their own. */
  readonly connections: Connections;
  readonly primary: Primary;
  readonly readers: Readers;
  /**
   * Ends everything. Statements that still run after `withinMs` fail, and none can be sent afterwards. Calling it
   * again is free.
   */
  close(withinMs?: number): Promise<void>;
}

/** What writes, and what must see each commit at once: always the server that takes the writes. */
export interface Primary {
  /** For writes, and for statements that aren't sent a thousand times a second. */
  readonly sql: Sql;
  /** The same pool, for statements that may take a minute: those of walks, and those over whole tables. */
  readonly patient: Sql;
  /** Works on a connection of its own, without a time limit: for an index of millions of users, or a VACUUM. */
  unhurried<T>(work: (sql: postgresType.Sql) => Promise<T>): Promise<T>;
  /** Drizzle over `sql`, for rare statements: its builder sends them unprepared. */
  readonly orm: Orm;
}

/** What answers callers' reads. Code that takes these and not `Primary` could read from a replica. */
export interface Readers {
  /**
   * For reads by what is indexed. It has few connections, because each statement on an idle one must wake its server
   * process.
   */
  readonly points: Sql;
  /** For statements that may be slow. */
  readonly searches: Sql;
  /** For exports, which send one short statement after another for minutes. */
  readonly exports: Sql;
}

export interface ConnectOptions {
  url: string;
  /** Half of the connections write, a quarter reads, a quarter searches; each has at least one, and searches three. */
  poolMax?: number;
  applicationName?: string;
}

/**
 * How searches are planned and stopped. These settings belong to the search pool's connections, so nobody else's
 * plans change.
 */
const SEARCH_SETTINGS = {
  // A plan that guessed wrong is stopped, and another way is forced (`query/search-pool.ts`). At a million users the
  // slowest short page that guesses right takes 25 ms. Long pages have a time of their own.
  statement_timeout: 60,
  // A generic plan can't see the search term, and terms differ a thousandfold in how many users they match.
  plan_cache_mode: "force_custom_plan",
  // The shipped page costs expect a disk. With them Postgres scans an order for 40 ms where the trigram index answers
  // in 0.6.
  seq_page_cost: 0.02,
  random_page_cost: 0.02,
  // An order's index doesn't follow the order of the table, so each of its rows is a visit elsewhere. With the
  // shipped 0.005, Postgres looks for a page of 500 row by row (95 ms at a million users) where the trigram index
  // takes 31.
  cpu_index_tuple_cost: 0.12,
  // Starting workers takes longer than a page. Counts have their own setting (`query/search-pool.ts`).
  max_parallel_workers_per_gather: 0,
  jit: "off",
} as const;

/**
 * An export reads users by their keys alone: whatever else the planner may think of reads more. Two connections are enough to
 * keep this process busy with them, and are closed when nobody exports.
 */
const EXPORT_SETTINGS = {
  statement_timeout: "10s",
  plan_cache_mode: "force_custom_plan",
  ...{ enable_seqscan: "off", enable_bitmapscan: "off", enable_hashjoin: "off", enable_mergejoin: "off" },
  max_parallel_workers_per_gather: "0",
  jit: "off",
} as const;
const MOST_EXPORT_CONNECTIONS = 2;

/** One for quick searches, one for a key whose searches take their ten seconds, one for everybody else's. */
const LEAST_SEARCHES = 3;

/** How long a statement of each class may go unanswered: longer than the server itself allows it (`session.ts`). */
const LIMIT_MS = {
  pointRead: 6000,
  // Searches that may take longer than the pool's own timeout have their own limit (`query/search-pool.ts`).
  search: 6000,
  export: 12_000,
  write: 12_000,
  // The server ends what takes longer than a minute.
  walk: 65_000,
} as const;

/** Creates pools and opens no connection yet. Every call creates its own. */
export function connect(options: ConnectOptions): Database {
  const { url, poolMax = 8, applicationName = "user-mirror" } = options;
  const share = (of: number) => Math.max(1, Math.floor(poolMax * of));
  const connections = createConnections(url);
  const types = BIGINT_AS_NUMBER;
  const name = applicationName;
  const sql = connections.open({
    ...{ name, label: "writes", max: share(1 / 2), limitMs: LIMIT_MS.write, types },
  });
  const points = connections.open({
    ...{ name, label: "point reads", max: share(1 / 4), limitMs: LIMIT_MS.pointRead, types },
  });
  const searches = connections.open({
    ...{
      name: `${name} search`,
      label: "search",
      max: Math.max(LEAST_SEARCHES, share(1 / 4)),
      limitMs: LIMIT_MS.search,
      types,
    },
    settings: SEARCH_SETTINGS,
  });
  const exports = connections.open({
    ...{
      name: `${name} export`,
      label: "export",
      max: Math.min(MOST_EXPORT_CONNECTIONS, share(1 / 4)),
      limitMs: LIMIT_MS.export,
    },
    ...{ types, settings: EXPORT_SETTINGS, idleTimeout: 30 },
  });
  // Drizzle replaces the parsers of the client that it is given, so it gets a client that nobody else reads with.
  const forDrizzle = connections.open({
    ...{ name, label: "keys", max: 1, limitMs: LIMIT_MS.pointRead, idleTimeout: 30 },
  });
  return {
    url,
    connections,
    primary: {
      sql,
      patient: withLimit(sql, LIMIT_MS.walk),
      async unhurried(work) {
        const own = connections.open({
          ...{ name, label: "unhurried", max: 1 },
          ...{ limitMs: Number.POSITIVE_INFINITY, settings: UNHURRIED },
        });
        try {
          return await whileServerWorks(connections, own, () => work(own));
        } finally {
          await own.end({ timeout: 0 });
        }
      },
      orm: drizzle(forDrizzle, { schema }),
    },
    readers: { points, searches, exports },
    close: async (withinMs = 5000) => {
      const end = { timeout: withinMs / 1000 };
      await Promise.all([sql, points, searches, exports, forDrizzle].map((pool) => pool.end(end)));
    },
  };
}
