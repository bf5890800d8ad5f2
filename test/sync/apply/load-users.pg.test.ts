// Covers src/sync/apply/{load-users,copied-rows}.ts, src/db/connection/bulk.ts

import fc from "fast-check";
import { describe, expect } from "vitest";
import { FOLDED_TABLES, HISTORY_TABLES } from "../../../src/db/tables/registry.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { loadUsers } from "../../../src/sync/apply/load-users.js";
import { gone, userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { unfenced } from "../../../src/sync/ledger/lease.js";
import { applyPage } from "../../../src/sync/reconcile/apply-page.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";

const OPTIONS = { lagMs: 0, fence: unfenced };

/** All that follows from what Clerk said. Numbers depend on the order in which users came. */
async function everything({ sql }: TestDatabase): Promise<unknown> {
  const tables = await Promise.all(
    Object.keys(FOLDED_TABLES).map((table) =>
      sql.unsafe(`select (to_jsonb(t) - 'number')::text from mirror_data.${table} t order by 1`),
    ),
  );
  const changes = await sql`select type, id, version from mirror_data.changes order by position`;
  const counters = await sql`select name, n from mirror_data.counters order by name`;
  const days = await sql`select * from mirror_data.daily_users order by day`;
  const marked = await sql`select * from mirror.user_activity_days order by user_id, day`;
  return [...tables, changes, counters, days, marked].map((rows) => [...rows]);
}

/** Of a few rows, which are deleted far sooner than so many tables are truncated. */
async function empty({ sql }: TestDatabase): Promise<void> {
  const tables = ["changes", ...Object.keys(FOLDED_TABLES), ...Object.keys(HISTORY_TABLES)];
  await sql.unsafe(tables.map((table) => `delete from mirror_data.${table}`).join("; "));
  await sql`update mirror_data.counters set n = 0`;
}

/** Texts that mean something to COPY, to an array's text, or to nobody. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc
    .array(
      fc.constantFrom("\\", "N", "\n", "\r", "\t", '"', "{", "}", ",", "NULL", "\\.", "é", "\0", "\u001f"),
      {
        maxLength: 8,
      },
    )
    .map((parts) => parts.join("")),
);
const orNull = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: null });
const metadata = fc.dictionary(text, fc.oneof(text, fc.integer(), fc.constant(null)), { maxKeys: 3 });
const user = fc.record({
  first_name: orNull(text),
  last_name: orNull(text),
  username: orNull(text),
  external_id: orNull(text),
  image_url: text,
  banned: fc.boolean(),
  locked: fc.boolean(),
  public_metadata: metadata,
  private_metadata: fc.option(metadata, { nil: undefined }),
  unsafe_metadata: metadata,
  last_active_at: orNull(fc.nat({ max: 2 ** 40 })),
  last_sign_in_at: orNull(fc.nat({ max: 2 ** 40 })),
  phone_numbers: fc.array(fc.record({ id: text, phone_number: text }), { maxLength: 2 }),
  external_accounts: fc.array(fc.record({ id: text, provider: text, provider_user_id: text }), {
    maxLength: 2,
  }),
});

const snapshotsOf = (users: readonly object[]) =>
  users.map((fields, n) => userSnapshot(clerkUser({ id: `user_${n}`, ...fields }), "page", 5000));

const people = (count: number) => Array.from({ length: count }, (_, n) => clerkUser({ id: `user_${n}` }));

describe("users of whom nothing is known", () => {
  test("are stored by COPY exactly as the ordinary way stores them", async ({ db }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(user, { minLength: 1, maxLength: 20 }), async (users) => {
        await empty(db);
        await applyItems(db.sql, [{ users: snapshotsOf(users) }], { lagMs: 0 });
        const expected = await everything(db);
        await empty(db);
        expect(await loadUsers(db.sql, snapshotsOf(users), OPTIONS)).toBe(true);
        expect(await everything(db)).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  test("are numbered in the order of their creation, whatever that of their ids", async ({ db }) => {
    const users = people(60).map((user, n) => ({ ...user, created_at: 1000 + ((n * 37) % 60) }));
    await loadUsers(db.sql, snapshotsOf(users), OPTIONS);
    const rows = await db.sql<{ at: number; number: number }[]>`
      select a.created_at as at, u.number from mirror_data.users u join mirror_data.user_activity a using (id)
      where a.number = u.number order by u.number`;
    expect(rows.map(({ at }) => at)).toEqual(Array.from({ length: 60 }, (_, n) => 1000 + n));
  });

  test("are announced in the commit that stores them, with the page's checkpoint", async ({ db }) => {
    const heard: string[] = [];
    const listening = await db.sql.listen("mirror_changes", (payload) => heard.push(payload));
    const within = async (tx: Parameters<typeof unfenced>[0]) => {
      await tx`insert into mirror_data.counters (name, n) values ('checkpoint', txid_current())`;
    };
    expect(await loadUsers(db.sql, snapshotsOf(people(60)), { ...OPTIONS, within })).toBe(true);
    await expect.poll(() => heard.length).toBeGreaterThan(0);
    await listening.unlisten();
    expect(heard.flatMap((payload) => JSON.parse(payload).ids)).toHaveLength(60);
    const [same] = await db.sql`
      select count(*)::int as n from mirror_data.users u, mirror_data.counters c
      where c.name = 'checkpoint' and u.xmin::text::bigint = c.n`;
    expect(same?.n).toBe(60);
  });

  test.for([
    [
      "a newer row",
      userSnapshot(clerkUser({ id: "user_7", first_name: "New", updated_at: 9000 }), "webhook", 9000),
    ],
    ["a tombstone", gone("user_7", "webhook", 9000)],
  ] as const)(
    "overwrite nothing where one of them gets %s meanwhile, and the others are stored",
    async ([, told], { db }) => {
      let checkpoints = 0;
      // The page has been compared when this runs, and nobody of it was known then.
      const within = async () => {
        if (++checkpoints === 1) await applyItems(db.sql, [{ users: [told] }], { lagMs: 0 });
      };
      const page = { items: people(60), startedAtMs: 5000 };
      const effects = await applyPage(db.sql, "users", page, { ...OPTIONS, within });
      expect(checkpoints).toBe(2);
      expect(effects.size).toBe(59);
      const rows = await db.sql<{ id: string; updated_at: number; deleted_at: number | null }[]>`
      select id, updated_at, deleted_at from mirror_data.users`;
      expect(rows).toHaveLength(60);
      const seventh = rows.find(({ id }) => id === "user_7");
      expect(seventh).toMatchObject(told.kind === "gone" ? { deleted_at: 9000 } : { updated_at: 9000 });
      const [counted] = await db.sql`select n from mirror_data.counters where name = 'users'`;
      expect(counted?.n).toBe(told.kind === "gone" ? 59 : 60);
    },
  );

  test("overwrite nothing where the first of them has a row already and a megabyte of others is on its way", async ({
    db,
  }) => {
    const items = people(60).map((user) => ({ ...user, public_metadata: { long: "ß\\".repeat(10_000) } }));
    const told = userSnapshot(clerkUser({ id: "user_0", updated_at: 9000 }), "webhook", 9000);
    let checkpoints = 0;
    const within = async () => {
      if (++checkpoints === 1) await applyItems(db.sql, [{ users: [told] }], { lagMs: 0 });
    };
    const effects = await applyPage(db.sql, "users", { items, startedAtMs: 5000 }, { ...OPTIONS, within });
    expect([checkpoints, effects.size]).toEqual([2, 59]);
    const rows = await db.sql<{ same: boolean }[]>`
      select payload::jsonb #>> '{public_metadata,long}' = repeat(${"ß\\"}, 10000) as same from mirror_data.users
      where id <> 'user_0'`;
    expect(rows.map(({ same }) => same)).toEqual(rows.map(() => true));
    expect(rows).toHaveLength(59);
  });

  test("are stored around those who can't be", async ({ db }) => {
    const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
    const items = people(60);
    items[3] = clerkUser({ id: "user_3", public_metadata: { deep: JSON.parse(deep(8000)) } });
    items[4] = clerkUser({ id: "user_4", created_at: 1e15 * 9, updated_at: 2 ** 53 });
    const page = { items, startedAtMs: 5000 };
    const effects = await applyPage(db.sql, "users", page, OPTIONS);
    const letters = await db.sql<{ id: string }[]>`select id from mirror_data.dead_letters`;
    expect(effects.size + letters.length).toBe(60);
    expect(letters.length).toBeGreaterThan(0);
    const [stored] = await db.sql`select count(*)::int as n from mirror_data.users`;
    expect(stored?.n).toBe(effects.size);
  });
});
