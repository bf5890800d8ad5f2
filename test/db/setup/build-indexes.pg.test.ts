// Covers src/db/setup/{build-indexes,filling,migrate}.ts, drizzle/0021_what_sql_asks_for.sql

import { setTimeout } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { connect, type Database } from "../../../src/db/connection/client.js";
import { migrateDatabase } from "../../../src/db/setup/migrate.js";
import { createSearchIndex } from "../../../src/db/setup/search-index.js";
import { clerkUser } from "../../support/clerk-user.js";
import { emptyDatabase } from "../../support/database.js";
import { holdLocks } from "../../support/hold-locks.js";
import { migrateUntil } from "../../support/previous-schema.js";
import { startProcessBefore0016 } from "../../support/process-before-0016.js";

const BEFORE = "0020_show_days";

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of cleanUp.splice(0).reverse()) await one();
});

async function open(
  prepare: (url: string) => Promise<unknown>,
): Promise<{ url: string; sql: Database["primary"]["sql"] }> {
  const { url, drop } = await emptyDatabase();
  cleanUp.push(drop);
  await prepare(url);
  const database = connect({ url });
  cleanUp.push(() => database.close());
  return { url, sql: database.primary.sql };
}

const indexes = ({ sql }: Pick<Awaited<ReturnType<typeof open>>, "sql">) =>
  sql`
    select c.relname as name, pg_get_indexdef(i.indexrelid) as definition, i.indisvalid as valid
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'mirror_data' order by 1`;

const person = (n: number, change: number) =>
  clerkUser({
    id: `user_${n}`,
    first_name: `Name ${change}`,
    email_addresses: [{ id: "idn_1", email_address: `Person${n}@D${n % 7}.example` }],
    primary_email_address_id: "idn_1",
    updated_at: 1000 + change,
  });

/** Writes as a process does that knows no later schema. */
function oldProcess(url: string) {
  const old = startProcessBefore0016(url);
  cleanUp.push(old.end);
  return old;
}

describe("indexes of a migration that makes nothing else", () => {
  test("are built beside a transaction that writes and others that go on, and are those of a new database", async () => {
    const used = await open((url) => migrateUntil(url, BEFORE));
    const old = oldProcess(used.url);
    await old.load(Array.from({ length: 200 }, (_, n) => person(n, 0)));
    const release = await holdLocks(
      used.url,
      (tx) => tx`update mirror_data.users set source = source where id = 'user_7'`,
    );
    cleanUp.push(release);

    let [isOver, written] = [false, 0];
    const writing = (async () => {
      for (let change = 1; !isOver; change++) {
        const user = person(8 + (change % 190), change);
        await old.write(user.id, user);
        written++;
        await setTimeout(5);
      }
    })();
    const migrating = migrateDatabase({ url: used.url });
    const building = () => used.sql`select from pg_stat_progress_create_index`;
    await expect.poll(async () => (await building()).length, { timeout: 30_000 }).toBeGreaterThan(0);
    const before = written;
    await expect.poll(() => written, { timeout: 30_000 }).toBeGreaterThan(before + 20);
    await release();
    await migrating;
    isOver = true;
    await writing;

    const fresh = await open((url) => migrateDatabase({ url }));
    // What the upkeep makes later.
    await createSearchIndex(used.sql);
    expect([...(await indexes(used))]).toEqual([...(await indexes(fresh))]);
    // What an index of an expression holds is known by its own statistics.
    const [statistics] = await used.sql`
      select count(*)::int as n from pg_stats
      where schemaname = 'mirror_data' and tablename in ('users_lower_email_address', 'user_search_email_domain')`;
    expect(statistics).toEqual({ n: 2 });
  });

  test("go on where they were interrupted", async () => {
    const used = await open((url) => migrateUntil(url, BEFORE));
    await oldProcess(used.url).load([person(1, 1), person(2, 2)]);
    await used.sql.unsafe(
      "create index users_username on mirror_data.users (username) where username is not null",
    );
    await used.sql.unsafe(
      "create index users_email_address on mirror_data.users (email_address) where email_address is not null",
    );
    await used.sql`
      update pg_index set indisvalid = false where indexrelid = 'mirror_data.users_email_address'::regclass`;
    await migrateDatabase({ url: used.url });
    await migrateDatabase({ url: used.url });
    const fresh = await open((url) => migrateDatabase({ url }));
    // What the upkeep makes later.
    await createSearchIndex(used.sql);
    expect([...(await indexes(used))]).toEqual([...(await indexes(fresh))]);
  });
});
