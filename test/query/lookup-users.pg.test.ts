import fc from "fast-check";
import { expect } from "vitest";
import { unwatched } from "../../src/db/connection/availability.js";
import { OURSELVES } from "../../src/lib/shares.js";
import type { Projected } from "../../src/query/field.js";
import { LOOKUP_KEYS, type LookupRequest } from "../../src/query/language/lookup-request.js";
import { createLookUpUsers } from "../../src/query/lookup-users.js";
import { createLookups } from "../../src/query/lookups.js";
import { createRun } from "../../src/query/run.js";
import { createSearches } from "../../src/query/search-pool.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import { gone, userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";

type LookupField = LookupRequest["by"];
type User = ReturnType<typeof userOf>;

const ALL = { privateMetadata: true };

function lookUps({ database }: TestDatabase) {
  const lookUp = createLookups(database.readers.points, unwatched.guard);
  const run = createRun({ lookUp, searches: createSearches(database.readers) });
  const lookUpUsers = createLookUpUsers({ run, nowMs: Date.now });
  return async (
    by: LookupField,
    keys: readonly string[],
    fields: readonly Projected[] | null = null,
    view = ALL,
  ) => JSON.parse(String(await lookUpUsers({ by, keys, fields }, view, OURSELVES))) as (User | null)[];
}

const store = ({ sql }: TestDatabase, users: readonly User[]) =>
  applyItems(sql, [{ users: users.map((user) => userSnapshot(user, "page", 1_800_000_000_000)) }], {
    lagMs: 0,
  });

/** Few values, so that users share them, and such as folding changes. */
const VALUES = [
  "Ada",
  "ada",
  "ADA",
  "ÉCOLE",
  "e\u0301cole",
  "İx",
  "ix",
  "ΣΑΣ",
  "σας",
  "b\"'\\,{}",
  "NULL",
  "+1",
  " ",
  "\0",
  "😀",
];
const value = fc.constantFrom(...VALUES);

const person = fc.record({
  username: fc.option(value),
  external_id: fc.option(value),
  updated_at: fc.integer({ min: 2000, max: 2010 }),
  emails: fc.array(value, { maxLength: 2 }),
  phones: fc.array(value, { maxLength: 2 }),
  wallets: fc.array(value, { maxLength: 2 }),
});

type Person = typeof person extends fc.Arbitrary<infer P> ? P : never;

function userOf({ emails, phones, wallets, ...members }: Person, n: number) {
  const list = (name: string, values: string[]) =>
    values.map((one, i) => ({ id: `${name}_${n}_${i}`, [name]: one }));
  return clerkUser({
    id: `user_${n}`,
    ...members,
    email_addresses: list("email_address", emails),
    phone_numbers: list("phone_number", phones),
    web3_wallets: list("web3_wallet", wallets),
  }) as { id: string; updated_at: number } & Record<string, unknown>;
}

// Without the mirror's code, and as slow as it likes.
const stored = (text: string) => text.replaceAll("\0", "\ufffd");
const fold = (text: string) =>
  stored(text).normalize("NFC").toLowerCase().replaceAll("i\u0307", "i").replaceAll("ς", "σ");

const OWN: Record<LookupField, { fold: (text: string) => string; values: (user: User) => unknown[] }> = {
  id: { fold: stored, values: ({ id }) => [id] },
  external_id: { fold: stored, values: ({ external_id }) => [external_id] },
  username: { fold, values: ({ username }) => [username] },
  email_address: { fold, values: valuesIn("email_addresses", "email_address") },
  phone_number: { fold: stored, values: valuesIn("phone_numbers", "phone_number") },
  web3_wallet: { fold, values: valuesIn("web3_wallets", "web3_wallet") },
};

function valuesIn(list: string, name: string): (user: User) => unknown[] {
  return (user) => (user[list] as Record<string, unknown>[]).map((one) => one[name]);
}

function expectedFor(users: readonly User[], by: LookupField, key: string): User | null {
  const { fold, values } = OWN[by];
  const owners = users.filter((user) =>
    values(user).some((one) => typeof one === "string" && fold(one) === fold(key)),
  );
  owners.sort((a, b) => b.updated_at - a.updated_at || (a.id < b.id ? 1 : -1));
  return owners[0] ?? null;
}

test("each key brings whom looking at everybody would bring, in the keys' order", async ({ db }) => {
  const people = fc.sample(person, { numRuns: 120, seed: 18 });
  const users = people.map(userOf);
  await store(db, users);
  const lookUp = lookUps(db);
  let found = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...LOOKUP_KEYS),
      fc.array(
        fc.oneof(
          value,
          fc.nat(130).map((n) => `user_${n}`),
        ),
        { maxLength: 120, size: "max" },
      ),
      async (by, keys) => {
        const answer = await lookUp(by, keys);
        expect(answer.map((user) => user?.id)).toEqual(keys.map((key) => expectedFor(users, by, key)?.id));
        for (const user of answer) if (user) expect(user).toEqual(users.find(({ id }) => id === user.id));
        found += answer.filter((user) => user !== null).length;
      },
    ),
    { numRuns: 200 },
  );
  expect(found).toBeGreaterThan(500);
}, 60_000);

test("nobody is found by a key that only a deleted user had", async ({ db }) => {
  const user = userOf(
    { username: "ada", external_id: null, updated_at: 2000, emails: ["a@b.c"], phones: [], wallets: [] },
    1,
  );
  await store(db, [user]);
  await applyItems(db.sql, [{ users: [gone("user_1", "webhook", 1_800_000_000_001)] }], { lagMs: 0 });
  const lookUp = lookUps(db);
  expect(await lookUp("id", ["user_1"])).toEqual([null]);
  expect(await lookUp("username", ["ada", "ada"])).toEqual([null, null]);
  expect(await lookUp("email_address", [])).toEqual([]);
});

test("shows fields alone if asked, memberships among them, and hides private metadata from who may not read it", async ({
  db,
}) => {
  const user = { ...clerkUser({ id: "user_1", private_metadata: { secret: 1 } }) } as User;
  await store(db, [user]);
  await db.sql`insert into mirror_data.organization_memberships (id, organization_id, user_id, role, payload, created_at)
    values ('orgmem_1', 'org_1', 'user_1', 'org:admin', '{}', 2), ('orgmem_2', 'org_0', 'user_1', 'org:member', '{}', 1)`;
  const lookUp = lookUps(db);
  const fields: Projected[] = [
    { kind: "member", name: "id" },
    { kind: "field", name: "organization_id" },
    { kind: "field", name: "organization_role" },
  ];
  const shown = {
    id: "user_1",
    organization_id: ["org_0", "org_1"],
    organization_role: ["org:member", "org:admin"],
  };
  expect(await lookUp("email_address", ["USER_1@example.com", "nobody"], fields)).toEqual([shown, null]);
  expect(await lookUp("id", ["user_1"], null, { privateMetadata: false })).toEqual([
    { ...user, private_metadata: null },
  ]);
});

test("a thousand keys are one statement", async ({ db }) => {
  const users = Array.from({ length: 1000 }, (_, n) => clerkUser({ id: `user_${n}` }) as User);
  await store(db, users);
  const keys = users.map(({ id }) => `${id}@EXAMPLE.com`).reverse();
  const answer = await lookUps(db)("email_address", keys);
  expect(answer).toEqual(users.toReversed());
});
