// Covers src/db/setup/search-index.ts, src/db/tables/indexes.ts, src/sync/upkeep/plans-and-index.ts, src/sync/reconcile/backfill.ts

import { afterEach, describe, expect, test } from "vitest";
import { noCache } from "../../../src/cache/user-cache.js";
import { unwatched } from "../../../src/db/connection/availability.js";
import { connect, type Database } from "../../../src/db/connection/client.js";
import {
  buildLateIndexes,
  createLateIndexes,
  dropLateIndexes,
  hasLateIndexes,
} from "../../../src/db/setup/late-indexes.js";
import { DERIVED_TABLES } from "../../../src/db/tables/registry.js";
import { silentLogger } from "../../../src/observability/logger.js";
import { parseUserFilter } from "../../../src/query/clerk-params.js";
import { createUserQueries } from "../../../src/query/users.js";
import { startSandbox } from "../../../src/sandbox/server.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { createUpkeep } from "../../../src/sync/upkeep/plans-and-index.js";
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

const indexesOf = async ({ primary: { sql } }: Database) => {
  const rows = await sql<{ definition: string }[]>`
    select pg_get_indexdef(i.indexrelid) as definition
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'mirror_data' and i.indisvalid`;
  return rows.map(({ definition }) => definition).sort();
};

describe("the indexes that a first load does without", () => {
  test("are all but the keys of the derived tables, and are made again as migrations make them", async () => {
    const database = await ownDatabase();
    const { sql } = database.primary;
    const before = await indexesOf(database);
    expect(await hasLateIndexes(sql)).toBe(true);
    await dropLateIndexes(sql);
    const tables = Object.keys(DERIVED_TABLES);
    const left = (await indexesOf(database)).filter((one) =>
      tables.some((table) => one.includes(`mirror_data.${table} `)),
    );
    expect(left.filter((one) => !one.startsWith("CREATE UNIQUE INDEX"))).toEqual([]);
    expect(left).toHaveLength(tables.length);

    await createLateIndexes(sql);
    expect(await indexesOf(database)).toEqual(before);
    await dropLateIndexes(sql);
    await database.primary.unhurried((own) => buildLateIndexes(own, "atOnce"));
    expect(await indexesOf(database)).toEqual(before);
  });

  test("aren't there while users are stored, whom a webhook may precede, and are there before the mirror is served", async () => {
    const database = await ownDatabase();
    const { sql } = database.primary;
    const before = await indexesOf(database);
    const sandbox = await startSandbox({ users: 60, organizations: 2 });
    cleanUp.push(sandbox.close);
    const user = userSnapshot(sandbox.clerk.users()[0], "webhook", Date.now());
    await applyItems(sql, [{ users: [user] }], { lagMs: 0 });
    const { backfill } = await walksOver({ database, sql }, sandbox);
    // What a page commits with sees the indexes as they are while it is stored.
    await sql.unsafe(`
      create table seen_at as select false as served, 0 as missing where false;
      create function note_indexes() returns trigger language plpgsql as $$ begin
        insert into seen_at select tg_argv[0] = 'served', ${before.length}
          - (select count(*) from pg_index i join pg_class c on c.oid = i.indexrelid
            where c.relnamespace = 'mirror_data'::regnamespace and i.indisvalid);
        return new; end $$;
      create trigger note after insert on mirror_data.users for each row execute function note_indexes('stored');
      create trigger note after update of backfilled_at on mirror_data.upstream
        for each row when (old.backfilled_at is null) execute function note_indexes('served')`);
    expect(await backfill()).toMatchObject({ state: "succeeded", error: null });
    const missing = async (served: boolean) => [
      ...(await sql`select distinct missing from seen_at where served = ${served}`),
    ];
    const late = before.filter(
      (one) => /mirror_data\.user_/.test(one) && !one.startsWith("CREATE UNIQUE INDEX"),
    );
    expect(await missing(false)).toEqual([{ missing: late.length }]);
    expect(await missing(true)).toEqual([{ missing: 0 }]);
  });

  test("are made where a load left off that ended between its last page and them", async () => {
    const database = await ownDatabase();
    const { sql } = database.primary;
    const before = await indexesOf(database);
    const sandbox = await startSandbox({ users: 1200 });
    cleanUp.push(sandbox.close);
    const { backfill } = await walksOver({ database, sql }, sandbox);
    expect(await backfill()).toMatchObject({ state: "succeeded", error: null });
    await dropLateIndexes(sql);
    await sql`create index user_search_email on mirror_data.user_search (email_key, id)`;
    await sql`update mirror_data.upstream set backfilled_at = null`;
    const made = await sql`select 'mirror_data.user_search_email'::regclass::oid::int as oid`;
    expect(await backfill()).toMatchObject({ state: "succeeded", error: null });
    expect(await indexesOf(database)).toEqual(before);
    expect(await sql`select 'mirror_data.user_search_email'::regclass::oid::int as oid`).toEqual(made);
  });

  test("are made without workers where these are short of memory", async () => {
    const database = await ownDatabase();
    await dropLateIndexes(database.primary.sql);
    await refuseIndexes(database, "current_setting('max_parallel_maintenance_workers') <> '0'");
    await database.primary.unhurried((own) => buildLateIndexes(own, "atOnce"));
    expect(await hasLateIndexes(database.primary.sql)).toBe(true);
  });

  test.each(["user_search_trigrams", "user_search_email"])(
    "that a build left unfinished are made anew, while others write: %s",
    async (name) => {
      const database = await ownDatabase();
      await database.primary.sql`
      update pg_index set indisvalid = false where indexrelid = ${`mirror_data.${name}`}::regclass`;
      expect(await hasLateIndexes(database.primary.sql)).toBe(false);
      const release = await holdLocks(
        database.url,
        (tx) => tx`lock table mirror_data.user_search in row exclusive mode`,
      );
      cleanUp.push(release);
      const building = database.primary.unhurried((own) => buildLateIndexes(own, "atOnce"));
      const waits = () => database.primary.sql`
      select from pg_stat_activity where datname = current_database() and query like '%index concurrently%'
        and wait_event_type = 'Lock'`;
      await expect.poll(async () => (await waits()).count, { timeout: 20_000 }).toBe(1);
      await database.primary.sql`update mirror_data.user_search set search = search`;
      await release();
      await building;
      expect(await hasLateIndexes(database.primary.sql)).toBe(true);
    },
  );

  test("that can't be made, and tables that can't be vacuumed, undo no load; they are made later", async () => {
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
    expect(await hasLateIndexes(sql)).toBe(false);

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
    await expect.poll(() => hasLateIndexes(sql), { timeout: 20_000 }).toBe(true);
    stopping.abort();
    await running;
    expect(await queries.count(parseUserFilter({ query: ["zebed"] }))).toBe(1);
  });
});
