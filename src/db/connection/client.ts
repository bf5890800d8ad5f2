import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import type postgresType from "postgres";
import * as syncTables from "../tables/sync.js";
import * as userTables from "../tables/users.js";
import { type Connections, createConnections, withLimit } from "./connections.js";
import { whileServerWorks } from "./long-statements.js";
import { UNHURRIED } from "./session.js";
import type { Sql } from "./sql.js";

const schema = { ...userTables, ...syncTables };

export type Orm = PostgresJsDatabase<typeof schema>;

/** What every commit that changes something readable is announced on, as `{"ids":[…]}` or `*`: a part of the SQL contract. */
export const NOTIFY_CHANNEL = "mirror_changes";

/** The pools of one process, apart so that none waits for another's slowness. */
export interface Database {
  readonly url: string;
  /** Where whoever needs a connection of his own opens it. */
  readonly connections: Connections;
  readonly primary: Primary;
  readonly readers: Readers;
  /** What still runs after `withinMs` fails, and nothing more can be asked. Repeating is free. */
  close(withinMs?: number): Promise<void>;
}

/** What writes, and what must see each commit at once: always the server that takes the writes. */
export interface Primary {
  /** Writes, and whatever isn't asked a thousand times a second. */
  readonly sql: Sql;
  /** The same pool, for statements that may take a minute: those of walks, and over whole tables. */
  readonly patient: Sql;
  /** On a connection of its own, for what takes as long as it takes: an index of millions of users, a VACUUM. */
  unhurried<T>(work: (sql: postgresType.Sql) => Promise<T>): Promise<T>;
  /** Drizzle over `sql`, for statements that aren't hot: its builder sends them unprepared. */
  readonly orm: Orm;
}

/** What answers callers' reads. Whoever takes these and not `Primary` could read from a replica. */
export interface Readers {
  /** Reads by what is indexed. Few connections: each statement on one that is idle has to wake its server process. */
  readonly points: Sql;
  /** Anything that may be slow. */
  readonly searches: Sql;
}

export interface ConnectOptions {
  url: string;
  /** Half of it for writes, a quarter each for reads and for searches; at least one of each. */
  poolMax?: number;
  applicationName?: string;
}

/** What a search is planned and stopped by. Settings of the search pool's own connections: nobody else's plans change. */
const SEARCH_SETTINGS = {
  // A plan that guessed wrong is given up and forced the other way (`query/search-pool.ts`). At a million users the slowest
  // short page that guesses right takes 25; long ones have a time of their own.
  statement_timeout: 60,
  // A generic plan can't see the search term, and terms differ a thousandfold in how much they match.
  plan_cache_mode: "force_custom_plan",
  // Shipped page costs expect a disk: they scan an order of 40 ms where the trigram index answers in 0.6.
  seq_page_cost: 0.02,
  random_page_cost: 0.02,
  // An order's index is out of the table's order: each of its rows is a visit somewhere else. With the shipped 0.005 a page
  // of 500 is looked for from row to row (95 ms at a million users) where the trigram index takes 31.
  cpu_index_tuple_cost: 0.12,
  // Starting workers takes longer than a page does. Counts have theirs (`query/search-pool.ts`).
  max_parallel_workers_per_gather: 0,
  jit: "off",
} as const;

/** How long each class of statement may be unanswered: beyond what the server itself allows it (`session.ts`). */
const LIMIT_MS = {
  pointRead: 6000,
  // What the search pool's own timeout doesn't end soon has a limit of its own (`query/search-pool.ts`).
  search: 6000,
  write: 12_000,
  // The server ends what takes longer than a minute.
  walk: 65_000,
} as const;

/** Opens no connection yet. Repeatable; every call has pools of its own. */
export function connect(options: ConnectOptions): Database {
  const { url, poolMax = 8, applicationName = "user-mirror" } = options;
  const share = (of: number) => Math.max(1, Math.floor(poolMax * of));
  const connections = createConnections(url);
  const types = { bigint: { to: 20, from: [20], parse: Number, serialize: String } };
  const name = applicationName;
  const sql = connections.open({ name, max: share(1 / 2), limitMs: LIMIT_MS.write, types });
  const points = connections.open({ name, max: share(1 / 4), limitMs: LIMIT_MS.pointRead, types });
  const searches = connections.open({
    ...{ name: `${name} search`, max: share(1 / 4), limitMs: LIMIT_MS.search, types },
    settings: SEARCH_SETTINGS,
  });
  // Drizzle replaces the parsers of the client it is given, so it gets one that nobody else reads with.
  const forDrizzle = connections.open({ name, max: 1, limitMs: LIMIT_MS.pointRead, idleTimeout: 30 });
  return {
    url,
    connections,
    primary: {
      sql,
      patient: withLimit(sql, LIMIT_MS.walk),
      async unhurried(work) {
        const own = connections.open({
          ...{ name, max: 1, limitMs: Number.POSITIVE_INFINITY, settings: UNHURRIED },
        });
        try {
          return await whileServerWorks(connections, own, () => work(own));
        } finally {
          await own.end({ timeout: 0 });
        }
      },
      orm: drizzle(forDrizzle, { schema }),
    },
    readers: { points, searches },
    close: async (withinMs = 5000) => {
      const end = { timeout: withinMs / 1000 };
      await Promise.all([sql, points, searches, forDrizzle].map((pool) => pool.end(end)));
    },
  };
}
