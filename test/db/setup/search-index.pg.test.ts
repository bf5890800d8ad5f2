// Covers src/sync/upkeep/plans-and-index.ts, src/db/setup/put-off-indexes.ts

import { readdirSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { noCache } from "../../../src/cache/user-cache.js";
import { unwatched } from "../../../src/db/connection/availability.js";
import { connect, type Database } from "../../../src/db/connection/client.js";
import { emptyMirror } from "../../../src/db/setup/rebuild.js";
import {
  buildSearchIndex,
  dropPutOffIndexes,
  dropSearchIndex,
  hasSearchIndex,
} from "../../../src/db/setup/search-index.js";
import { DERIVED_TABLES } from "../../../src/db/tables/registry.js";
import { silentLogger } from "../../../src/observability/logger.js";
import { parseUserFilter } from "../../../src/query/clerk-params.js";
import { createUserQueries } from "../../../src/query/users.js";
import { startSandbox } from "../../../src/sandbox/server.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { createUpkeep } from "../../../src/sync/upkeep/plans-and-index.js";
import { clerkUser } from "../../support/clerk-user.js";
import { freshDatabase } from "../../support/database.js";
import { holdLocks } from "../../support/hold-locks.js";
import { walksOver } from "../../support/walks.js";

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of cleanUp.splice(0).reverse()) await one();
});

async function ownDatabase(): Promise<Database> {
  const own = await freshDatabase();
  const database = connect({ url: own.url });
  cleanUp.push(own.drop, database.close);
  return database;
}

/** As a container with a /dev/shm of 2 MB has it, where `condition` holds. */
const refuseIndexes = ({ primary: { sql } }: Database, condition: string) =>
  sql.unsafe(`
    create function mirror_data.refuse_index() returns event_trigger language plpgsql as $$ begin
      if ${condition} then
        raise exception 'could not resize shared memory segment' using errcode = '53100';
      end if; end $$;
    create event trigger refuse_index on ddl_command_start when tag in ('CREATE INDEX')
      execute function mirror_data.refuse_index()`);

describe("the search index", () => {
  test("is made without workers where these are short of memory", async () => {
    const database = await ownDatabase();
    await dropSearchIndex(database.primary.sql);
    await refuseIndexes(database, "current_setting('max_parallel_maintenance_workers') <> '0'");
    await database.primary.unhurried((own) => buildSearchIndex(own, "atOnce"));
    expect(await hasSearchIndex(database.primary.sql)).toBe(true);
  });

  test("that a build left unfinished is made anew, while others write", async () => {
    const database = await ownDatabase();
    await database.primary.sql`
      update pg_index set indisvalid = false where indexrelid = 'mirror_data.user_search_identifiers'::regclass`;
    expect(await hasSearchIndex(database.primary.sql)).toBe(false);
    const release = await holdLocks(
      database.url,
      (tx) => tx`lock table mirror_data.user_search in row exclusive mode`,
    );
    cleanUp.push(release);
    const building = database.primary.unhurried((own) => buildSearchIndex(own, "atOnce"));
    const waits = () => database.primary.sql`
      select from pg_stat_activity where datname = current_database() and query like '%index concurrently%'
        and wait_event_type = 'Lock'`;
    await expect.poll(async () => (await waits()).count, { timeout: 20_000 }).toBe(1);
    await database.primary.sql`update mirror_data.user_search set search = search`;
    await release();
    await building;
    expect(await hasSearchIndex(database.primary.sql)).toBe(true);
  });

  test("has nothing of a name, or of the whole text, in the table that is searched: a changed name stays on its page", async () => {
    const database = await ownDatabase();
    const { sql } = database.primary;
    const definitions = await sql<{ definition: string }[]>`
      select indexdef as definition from pg_indexes where schemaname = 'mirror_data' and tablename = 'user_search'`;
    expect(definitions.length).toBeGreaterThan(5);
    for (const { definition } of definitions)
      expect(definition).not.toMatch(/first_name|last_name|name_search|[ (]search[ ,)]/);

    const user = (first_name: string, at: number) =>
      userSnapshot(clerkUser({ id: "user_1", first_name, updated_at: at }), "webhook", at);
    for (let at = 1; at < 12; at++) await applyItems(sql, [{ users: [user(`Ada ${at}`, at)] }], { lagMs: 0 });
    // What a session has counted is told to all when it ends.
    await database.close();
    const after = connect({ url: database.url, poolMax: 1 });
    cleanUp.push(() => after.close());
    const updates = async () => {
      const [row] = await after.primary.sql`
        select n_tup_upd::int as all, n_tup_hot_upd::int as without_index from pg_stat_user_tables
        where schemaname = 'mirror_data' and relname = 'user_search'`;
      return row;
    };
    await expect.poll(updates, { timeout: 20_000 }).toEqual({ all: 10, without_index: 10 });
  });

  test("takes the place of an earlier version's, which serves until then", async () => {
    const database = await ownDatabase();
    const { sql } = database.primary;
    await dropSearchIndex(sql);
    await sql`create index user_search_trigrams on mirror_data.user_search using gin (search gin_trgm_ops)`;
    await sql`create index user_search_first_name on mirror_data.user_search (first_name_key, id)`;
    expect(await hasSearchIndex(sql)).toBe(false);
    await database.primary.unhurried((own) => buildSearchIndex(own, "inTheBackground"));
    expect(await hasSearchIndex(sql)).toBe(true);
    const old = await sql`
      select from pg_indexes where indexname in ('user_search_trigrams', 'user_search_first_name')`;
    expect(old).toHaveLength(0);
  });

  test("that can't be made, and tables that can't be vacuumed, undo no load; it is made later", async () => {
    const database = await ownDatabase();
    const { sql } = database.primary;
    await sql.unsafe(`
      create function mirror_data.refuse_analyze(id text) returns text immutable language plpgsql as $$ begin
        if current_query() ~ '^(vacuum|analyze)' then
          raise exception 'could not resize shared memory segment' using errcode = '53100';
        end if;
        return id; end $$;
      create index on mirror_data.users (mirror_data.refuse_analyze(id))`);
    await refuseIndexes(database, "true");
    const sandbox = await startSandbox({ users: 60, organizations: 2 });
    cleanUp.push(sandbox.close);
    const user = sandbox.clerk.createUser({ first_name: "Zebedee" });
    const { backfill } = await walksOver({ database, sql }, sandbox);
    expect(await backfill()).toMatchObject({ state: "succeeded", error: null });
    expect(await hasSearchIndex(sql)).toBe(false);

    const queries = createUserQueries(database.readers, {
      nowMs: Date.now,
      availability: unwatched,
      cache: noCache,
    });
    expect(await queries.count(parseUserFilter({ query: ["zebed"] }))).toBe(1);
    expect(user.first_name).toBe("Zebedee");

    await sql.unsafe("drop event trigger refuse_index");
    const stopping = new AbortController();
    const everyMs = { plans: 50, index: { first: 50, longest: 50 } };
    const running = createUpkeep({ primary: database.primary, log: silentLogger(), everyMs }).run(
      stopping.signal,
    );
    await expect.poll(() => hasSearchIndex(sql), { timeout: 20_000 }).toBe(true);
    stopping.abort();
    await running;
    expect(await queries.count(parseUserFilter({ query: ["zebed"] }))).toBe(1);
  });
});

describe("the indexes that a large first load puts off", () => {
  /** Of users and of what follows from them, as Postgres spells them. */
  const indexes = async ({ primary: { sql } }: Database) => {
    const tables = ["users", ...Object.keys(DERIVED_TABLES)];
    const rows = await sql<{ name: string; definition: string }[]>`
      select indexname as name, indexdef as definition from pg_indexes
      where schemaname = 'mirror_data' and tablename in ${sql(tables)} order by 1`;
    return new Map(rows.map(({ name, definition }) => [name, definition]));
  };

  test("are all but keys and those of few users, and are made again as the migrations made them", async () => {
    const database = await ownDatabase();
    const { sql, unhurried } = database.primary;
    const migrated = await indexes(database);
    await dropPutOffIndexes(sql);
    const left = [...(await indexes(database)).keys()].filter((name) => !/_(pkey|pk)$/.test(name));
    expect(left).toEqual(["users_deleted_at", "users_deleted_time", "users_locked_until"]);
    expect(await hasSearchIndex(sql)).toBe(false);
    await unhurried((own) => buildSearchIndex(own, "inTheBackground"));
    expect(await indexes(database)).toEqual(migrated);
    expect(await hasSearchIndex(sql)).toBe(true);
  });

  test("are made when the load has ended, and when one that hasn't ended is begun anew", async () => {
    const database = await ownDatabase();
    const { sql } = database.primary;
    const all = await indexes(database);
    const sandbox = await startSandbox({ users: 60, organizations: 2 });
    cleanUp.push(sandbox.close);
    let during = all.size;
    const { backfill } = await walksOver({ database, sql }, sandbox, {
      putOffFrom: 60,
      api: (api) => ({
        ...api,
        async listUsers(query, call) {
          // The last list is that of the users who are stored: earlier ones look at what Clerk is.
          if (query.orderBy === "+created_at") during = (await indexes(database)).size;
          return api.listUsers(query, call);
        },
      }),
    });
    expect(await backfill()).toMatchObject({ state: "succeeded", error: null });
    expect(during).toBeLessThan(all.size / 2);
    expect(await indexes(database)).toEqual(all);

    await dropPutOffIndexes(sql);
    await emptyMirror(sql);
    expect(await indexes(database)).toEqual(all);
  });

  test("are dropped by no migration that needs them to be there", () => {
    const later = readdirSync("drizzle").filter((file) => file.endsWith(".sql") && file >= "0034");
    const drops = later.flatMap(
      (file) => readFileSync(`drizzle/${file}`, "utf8").match(/drop index.*/gi) ?? [],
    );
    expect(drops.filter((drop) => !/^drop index (concurrently )?if exists /i.test(drop))).toEqual([]);
  });
});
