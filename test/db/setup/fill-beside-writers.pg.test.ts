// Covers src/db/setup/{fill-columns,migrate}.ts

import { setTimeout } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { connect, type Database } from "../../../src/db/connection/client.js";
import type { Sql } from "../../../src/db/connection/sql.js";
import { migrateDatabase } from "../../../src/db/setup/migrate.js";
import { FOLDED_TABLES } from "../../../src/db/tables/registry.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { gone, userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import { emptyDatabase, freshDatabase } from "../../support/database.js";
import { historyProblems } from "../../support/history.js";
import { migrateUntil } from "../../support/previous-schema.js";
import { startProcessBefore0016 } from "../../support/process-before-0016.js";

const BEFORE = "0015_times_beside_the_payload";
const USERS = 400;
/** Nobody writes the first ones. */
const UNTOUCHED = 100;

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of cleanUp.splice(0).reverse()) await one();
});

async function own(kind: () => Promise<{ url: string; drop(): Promise<void> }>): Promise<string> {
  const { url, drop } = await kind();
  cleanUp.push(drop);
  return url;
}

function open(url: string): Database {
  const database = connect({ url });
  cleanUp.push(() => database.close());
  return database;
}

const idOf = (n: number) => `user_${String(n).padStart(4, "0")}`;

/** The n-th user after so many changes. In each of them something else differs, names alone or accounts alone too. */
function person(n: number, change: number) {
  const [name, account, flag] = [(n + change) % 5, (n + (change >> 1)) % 4, (n + (change >> 2)) % 2 === 0];
  const emails = [
    `Person${n}@Mail${(n + change) % 7}.Example`,
    `${n}@sub@ÉCOLE.fr`,
    "nowhere",
    "ends@",
  ].slice(0, name);
  return clerkUser({
    id: idOf(n),
    first_name: name === 0 ? null : `First ${name}`,
    last_name: n % 3 === 0 ? null : "Ünï",
    username: n % 4 === 0 ? `User_${n}` : null,
    image_url: n % 5 === 0 ? null : `https://img.example/${n}`,
    banned: flag,
    has_image: !flag,
    two_factor_enabled: change % 3 === 0,
    primary_email_address_id: "idn_0",
    email_addresses: emails.map((email_address, at) => ({ id: `idn_${at}`, email_address })),
    external_accounts: ["oauth_google", "github", "oauth_x"].slice(0, account).map((provider, at) => ({
      id: `eac_${at}`,
      ...{ provider, provider_user_id: `${n}`, email_address: `Ä.${n}@Mail.Example` },
    })),
    last_active_at: 86_400_000 * (19_000 + ((n + change) % 5)),
    last_sign_in_at: n % 3 === 0 ? 86_400_000 * (19_001 + (change % 2)) : null,
    public_metadata: n % 2 === 0 ? { plan: "pro" } : {},
    created_at: 1_700_000_000_000 + n,
    updated_at: 1_700_000_000_000 + change,
  });
}

/** Numbers depend on the order in which users came, and the days of a tombstone on what was known before it. */
async function tables(sql: Sql): Promise<Record<string, string[]>> {
  const all = Object.keys(FOLDED_TABLES).map(async (table) => {
    const rows = await sql.unsafe<{ row: string }[]>(
      `select (to_jsonb(t) - '{number,created_day,deleted_day}'::text[])::text as row from mirror_data.${table} t order by 1`,
    );
    return [table, rows.map(({ row }) => row)];
  });
  return Object.fromEntries(await Promise.all(all));
}

/** The process before moves no counters here. */
async function expectNoProblems(sql: Sql): Promise<void> {
  await sql`delete from mirror_data.counters where name = 'users'`;
  expect(await historyProblems(sql)).toEqual([]);
}

/** Without the column that a later migration adds. */
const shown = (sql: Sql, where = "true") =>
  sql.unsafe<{ row: string }[]>(
    `select (to_jsonb(u) - 'email_domain')::text as row from mirror.users u where ${where} order by id`,
  );

describe("a database that a process of the version before uses", () => {
  test("shows in SQL what it showed before, is filled while that process writes, and made right behind it", async () => {
    const url = await own(emptyDatabase);
    await migrateUntil(url, BEFORE);
    const old = startProcessBefore0016(url);
    cleanUp.push(old.end);
    await old.load(Array.from({ length: USERS }, (_, n) => person(n, 0)));
    const { primary } = open(url);
    const before = [...(await shown(primary.sql))];
    expect(before).toHaveLength(USERS);

    const last = new Map<number, number | null>();
    let [isOver, written] = [false, 0];
    const write = async (writer: number) => {
      for (let change = 1; !isOver; change++) {
        for (let n = UNTOUCHED + writer; n < USERS && !isOver; n += 3) {
          const isGone = last.get(n) === null || (n % 50 === 0 && change > 1);
          await old.write(idOf(n), isGone ? null : person(n, change));
          last.set(n, isGone ? null : change);
          written++;
          await setTimeout(10);
        }
      }
    };
    const look = async () => {
      const untouched = before.slice(0, UNTOUCHED);
      while (!isOver) {
        expect([...(await shown(primary.sql, `id < '${idOf(UNTOUCHED)}'`))]).toEqual(untouched);
        await setTimeout(100);
      }
    };
    const using = Promise.all([write(0), write(1), write(2), look()]);
    await migrateDatabase({ url });
    const after = written;
    await expect.poll(() => written, { timeout: 60_000 }).toBeGreaterThan(after + USERS);
    isOver = true;
    await using;

    // One writes behind the other: each finds what the other made of the user.
    for (let n = UNTOUCHED; n < UNTOUCHED + 40; n++) {
      if (last.get(n) === null) continue;
      const [mine, again] = [person(n, 10_001), person(n, 10_002 + (n % 2))];
      await applyItems(primary.sql, [{ users: [userSnapshot(mine, "webhook", 5000)] }], { lagMs: 0 });
      await old.write(again.id, again);
      last.set(n, 10_002 + (n % 2));
    }

    const fresh = open(await own(freshDatabase));
    const snapshots = Array.from({ length: USERS }, (_, n) => {
      const change = last.get(n);
      return change === null
        ? gone(idOf(n), "webhook", 9000)
        : userSnapshot(person(n, change ?? 0), "webhook", 5000);
    });
    await applyItems(fresh.primary.sql, [{ users: snapshots }], { lagMs: 0 });
    expect(await tables(primary.sql)).toEqual(await tables(fresh.primary.sql));
    expect([...(await shown(primary.sql))]).toEqual([...(await shown(fresh.primary.sql))]);
    const [index] = await primary.sql<{ valid: number }[]>`
      select count(*)::int as valid from pg_index
      where indisvalid and indexrelid in ('mirror_data.user_search_email_domains'::regclass, 'mirror_data.user_search_providers'::regclass)`;
    expect(index?.valid).toBe(2);
    await expectNoProblems(primary.sql);
  }, 180_000);

  test("is filled to the end by the next process where the one before was ended in the middle", async () => {
    const url = await own(emptyDatabase);
    await migrateUntil(url, BEFORE);
    const old = startProcessBefore0016(url);
    cleanUp.push(old.end);
    await old.load(Array.from({ length: USERS }, (_, n) => person(n, 0)));
    const { primary } = open(url);
    const before = [...(await shown(primary.sql))];
    await migrateUntil(url, "0016_what_filters_ask_for");
    await primary.sql`select mirror_data.complete_users(array(select id from mirror_data.users order by id limit 250))`;
    expect([...(await shown(primary.sql))]).toEqual(before);
    await migrateDatabase({ url });
    expect([...(await shown(primary.sql))]).toEqual(before);
    const [left] = await primary.sql`
      select (select count(*)::int from mirror_data.user_activity where created_at = 0)
        + (select count(*)::int from mirror_data.user_metadata where created_at = 0 or image_url is not null) as n`;
    expect(left).toEqual({ n: 0 });
    await expectNoProblems(primary.sql);
  }, 120_000);
});
