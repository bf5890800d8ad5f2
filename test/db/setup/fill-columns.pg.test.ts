// Covers src/db/setup/{fill-columns,fill-names}.ts

import fc from "fast-check";
import postgres from "postgres";
import { describe, expect } from "vitest";
import { fillColumns } from "../../../src/db/setup/fill-columns.js";
import { fillNames } from "../../../src/db/setup/fill-names.js";
import { FOLDED_TABLES } from "../../../src/db/tables/registry.js";
import { foldedKey } from "../../../src/lib/text.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { gone, userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";
import { holdLocks } from "../../support/hold-locks.js";
import { startProcessBefore0016 } from "../../support/process-before-0016.js";

const PATIENCE = { ms: 10_000, retryMs: 20, onWait: () => {} };

/** What a process of the version before leaves: names in one table, and nothing in the new columns. */
const MAKE_OLD = `
  update mirror_data.user_metadata m set created_at = 0, username = u.username, first_name = u.first_name,
    last_name = u.last_name, email_address = u.email_address, phone_number = u.phone_number,
    web3_wallet = u.web3_wallet, image_url = u.image_url
  from mirror_data.users u where u.id = m.id;
  update mirror_data.users set username = null, first_name = null, last_name = null, email_address = null,
    phone_number = null, web3_wallet = null, image_url = null;
  update mirror_data.user_search set email_domains = '{}', providers = '{}', identifier_search = '';
  update mirror_data.user_activity set created_at = 0, banned = false, has_image = false, password_enabled = false,
    two_factor_enabled = false;
  update mirror_data.user_identifiers set domain = null, account_email = null`;

async function everything({ sql }: TestDatabase): Promise<unknown> {
  const tables = await Promise.all(
    Object.keys(FOLDED_TABLES).map((table) =>
      sql.unsafe(`select t::text from mirror_data.${table} t order by t::text`),
    ),
  );
  return tables.map((rows) => [...rows]);
}

const apply = (db: TestDatabase, users: readonly (Record<string, unknown> & { id: string })[]) =>
  applyItems(db.sql, [{ users: users.map((user) => userSnapshot(user, "page", 5000)) }], { lagMs: 0 });

/** A connection that doesn't say what it knows, as those of the version before. */
async function asOldProcess(db: TestDatabase, work: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
  const sql = postgres(db.url, { max: 1, onnotice: () => {} });
  try {
    await work(sql);
  } finally {
    await sql.end();
  }
}

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.constantFrom(
    "İSTANBUL",
    "ΟΔΟΣ",
    "Straße",
    "e\u0301",
    "oauth_google",
    "\0",
    "\ud800",
    "😀".repeat(301),
    "a".repeat(599).concat("😀"),
    "É".repeat(700),
  ),
);
const address = fc.oneof(
  text,
  fc.tuple(text, text).map((parts) => parts.join("@")),
  fc.constantFrom("@", "a@", "@b", "a@b@C.example"),
);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.oneof(value, fc.constantFrom(null, 5, true, [], {}));
const id = fc.constantFrom("idn_1", "idn_2", "idn_3");
const user = fc.record(
  {
    first_name: maybe(text),
    last_name: maybe(text),
    username: maybe(text),
    image_url: maybe(text),
    banned: maybe(fc.boolean()),
    has_image: maybe(fc.boolean()),
    password_enabled: maybe(fc.boolean()),
    two_factor_enabled: maybe(fc.boolean()),
    created_at: fc.nat(),
    primary_email_address_id: maybe(id),
    primary_phone_number_id: maybe(id),
    primary_web3_wallet_id: maybe(id),
    email_addresses: maybe(
      fc.uniqueArray(fc.record({ id, email_address: maybe(address) }), {
        maxLength: 3,
        selector: (one) => one.id,
      }),
    ),
    phone_numbers: maybe(
      fc.uniqueArray(fc.record({ id, phone_number: maybe(text) }), {
        maxLength: 3,
        selector: (one) => one.id,
      }),
    ),
    web3_wallets: maybe(
      fc.uniqueArray(fc.record({ id, web3_wallet: maybe(text) }), {
        maxLength: 3,
        selector: (one) => one.id,
      }),
    ),
    external_accounts: maybe(
      fc.array(
        maybe(
          fc.record({
            id,
            provider: maybe(text),
            provider_user_id: maybe(text),
            email_address: maybe(address),
          }),
        ),
        { maxLength: 3 },
      ),
    ),
  },
  { requiredKeys: ["created_at"] },
);

describe("the columns that a process of the version before doesn't know", () => {
  test("are filled with what a fresh derivation gives, whatever the users hold", async ({ db }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(user, { minLength: 1, maxLength: 20 }), async (users) => {
        await db.truncate();
        await apply(db, [
          ...users.map((fields, n) => clerkUser({ id: `user_${n}`, ...fields })),
          clerkUser({ id: "user_gone" }),
        ]);
        await applyItems(db.sql, [{ users: [gone("user_gone", "webhook", 9000)] }], { lagMs: 0 });
        const expected = await everything(db);
        await db.sql.unsafe(`${MAKE_OLD}; delete from mirror_data.user_names`);
        await fillColumns(db.sql, { patience: PATIENCE, onProgress: () => {} });
        await fillNames(db.sql, { patience: PATIENCE, onProgress: () => {} });
        expect(await everything(db)).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  test("are completed in its own commit when it writes a user, and emptied with a tombstone", async ({
    db,
  }) => {
    const users = Array.from({ length: 3 }, (_, n) => clerkUser({ id: `user_${n}`, created_at: 1000 + n }));
    await apply(db, users);
    const expected = await everything(db);
    await asOldProcess(db, (sql) =>
      sql.begin(async (tx) => {
        await tx`update mirror_data.users set payload = payload`;
        await tx.unsafe(MAKE_OLD);
      }),
    );
    expect(await everything(db)).toEqual(expected);

    await asOldProcess(db, async (sql) => {
      await sql`update mirror_data.users set payload = null, payload_hash = null, deleted_at = 1 where id = 'user_1'`;
    });
    const left =
      await db.sql`select id, first_name, email_address, image_url from mirror_data.users order by id`;
    expect(left[1]).toEqual({ id: "user_1", first_name: null, email_address: null, image_url: null });
    expect(left[0]).toMatchObject({ first_name: "Ada", email_address: "user_0@example.com" });
  });

  test("are filled of whom it gives an earlier time of creation, which has been passed", async ({ db }) => {
    const person = (n: number, created_at: number) => clerkUser({ id: `user_${n}`, created_at });
    const people = Array.from({ length: 600 }, (_, n) => person(n, 1000 + n));
    await apply(db, people);
    await db.sql`delete from mirror_data.user_names`;
    const old = startProcessBefore0016(db.url);
    // In the second batch of three.
    const release = await holdLocks(
      db.url,
      (tx) => tx`select from mirror_data.users where id = 'user_400' for update`,
    );
    let written: Promise<unknown> | null = null;
    const onWait = () => {
      written ??= old.write("user_550", { ...person(550, 5), updated_at: 2000 }).then(release);
    };
    const filler = postgres(db.url, { max: 1, onnotice: () => {}, connection: { lock_timeout: 50 } });
    try {
      await fillNames(filler, { patience: { ...PATIENCE, onWait }, onProgress: () => {} });
      expect(written).not.toBeNull();
    } finally {
      await (written ?? release());
      await filler.end();
      await old.end();
    }
    const named = await db.sql`select id, created_at from mirror_data.user_names order by id`;
    expect(named).toHaveLength(600);
    expect(named).toEqual(await db.sql`select id, created_at from mirror_data.user_search order by id`);
  });

  test("are left to a process that knows them", async ({ db }) => {
    await apply(db, [clerkUser({ id: "user_1" })]);
    await db.sql`update mirror_data.users set payload = payload, first_name = 'its own'`;
    expect(await db.sql`select first_name from mirror_data.users`).toEqual([{ first_name: "its own" }]);
  });
});

test("every character is folded in SQL as in JavaScript", async ({ db }) => {
  const texts: string[] = [];
  for (let code = 1; code < 0x110000; code++) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const one = String.fromCodePoint(code);
    // What is assigned in a later version of Unicode than that of this Node.
    // Of those that fold to themselves some are enough: a character costs Postgres 50 µs.
    const isSome = foldedKey(one) !== one || code % 100 === 0;
    if (isSome && !/\p{Cn}/u.test(one)) texts.push(one);
  }
  // Characters that don't meet where they are joined.
  const parts = Array.from({ length: Math.ceil(texts.length / 100) }, (_, n) =>
    texts.slice(n * 100, n * 100 + 100).join(" x "),
  );
  const different: string[] = [];
  for (let n = 0; n < parts.length; n += 200) {
    const some = parts.slice(n, n + 200);
    const rows = await db.sql<{ folded: string }[]>`
      select mirror_data.folded_key(t) as folded from jsonb_array_elements_text(${JSON.stringify(some)}::text::jsonb) as t`;
    for (const [at, { folded }] of rows.entries())
      if (folded !== foldedKey(some[at] ?? "")) different.push(some[at] ?? "");
  }
  expect(different).toEqual([]);
});
