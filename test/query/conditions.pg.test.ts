// Covers src/query/{condition,columns,compile,parameters,where}.ts, src/query/compile/

import fc from "fast-check";
import { expect } from "vitest";
import { noCache } from "../../src/cache/user-cache.js";
import { unwatched } from "../../src/db/connection/availability.js";
import { parseUserFilter } from "../../src/query/clerk-params.js";
import type { Condition } from "../../src/query/condition.js";
import { ORDER_FIELDS } from "../../src/query/order.js";
import { createUserQueries } from "../../src/query/users.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import { membershipSnapshot, userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";
import { type Model, type ModelParams, type ModelUser, modelMatches } from "./model.js";

/** Three of each kind of value, and nothing at all: every comparison meets some users, and some who have no value. */
function person(n: number): ModelUser {
  const some = <T>(of: number, make: (k: number) => T): T | null => {
    const k = (n * 7 + of * of) % (of + 3);
    return k > 2 ? null : make(k);
  };
  const listed = <T>(value: T | null): T[] => (value === null ? [] : [value]);
  return {
    id: `user_${n}`,
    external_id: some(1, (k) => `ext_${k}`),
    username: some(2, (k) => `Name${k}`),
    first_name: some(3, (k) => ["Ann", "Zoë", "øb"][k] ?? null),
    last_name: some(4, (k) => ["Smith", "Ångström", "|"][k] ?? null),
    primary_email_address_id: null,
    primary_phone_number_id: null,
    primary_web3_wallet_id: null,
    email_addresses: listed(some(5, (k) => ({ id: `em_${n}`, email_address: `Ann${k}@Example.com` }))),
    phone_numbers: listed(some(6, (k) => ({ id: `ph_${n}`, phone_number: `+1555${k}` }))),
    web3_wallets: [],
    external_accounts: listed(some(7, (k) => ({ provider: "oauth_google", provider_user_id: String(k) }))),
    banned: n % 3 === 0,
    created_at: 1_700_000_000_000 + (n % 5),
    updated_at: 1_700_000_000_000,
    last_active_at: some(8, (k) => 1_700_000_000_000 + k * 86_400_000),
    last_sign_in_at: some(9, (k) => 1_700_000_000_000 + k),
  };
}

const MODEL: Model = {
  users: Array.from({ length: 60 }, (_, n) => person(n)),
  organizations: new Map(Array.from({ length: 60 }, (_, n) => [`user_${n}`, n % 4 === 0 ? ["org_1"] : []])),
};

/** One condition of each kind, as Clerk's parameter for it: so the model knows what it means. */
const LEAVES: ModelParams[] = [
  { user_id: ["user_1", "user_2", "user_3"] },
  { external_id: ["ext_1"] },
  { external_id: ["-ext_1"] },
  { username: ["name1", "NAME2"] },
  { email_address: ["ann1@example.com"] },
  { phone_number: ["+15550"] },
  { provider: ["google"], provider_user_id: ["1"] },
  { organization_id: ["org_1"] },
  { organization_id: ["-org_1"] },
  { query: ["ann"] },
  { query: ["øb"] },
  { name_query: ["|"] },
  { email_address_query: ["NN1@"] },
  { username_query: ["e2"] },
  { banned: ["true"] },
  { banned: ["false"] },
  { created_at_before: ["1700000000003"] },
  { last_active_at_after: ["1700000000000"] },
  { last_sign_in_at_before: ["1700000000001"] },
];

/** A condition, and the ids of those it should keep. */
interface Case {
  condition: Condition;
  kept: ReadonlySet<string>;
}

const EVERYBODY = MODEL.users.map(({ id }) => id);
const those = (keeps: (id: string) => boolean) => new Set(EVERYBODY.filter(keeps));

const { tree } = fc.letrec<{ tree: Case }>((tie) => {
  const leaf = fc.constantFrom(...LEAVES).map((params) => ({
    condition: parseUserFilter(params),
    kept: new Set(modelMatches(MODEL, params).map(({ id }) => id)),
  }));
  const several = fc.array(tie("tree"), { maxLength: 3 });
  const all = several.map((cases) => ({
    condition: { kind: "and" as const, all: cases.map(({ condition }) => condition) },
    kept: those((id) => cases.every(({ kept }) => kept.has(id))),
  }));
  const any = several.map((cases) => ({
    condition: { kind: "or" as const, any: cases.map(({ condition }) => condition) },
    kept: those((id) => cases.some(({ kept }) => kept.has(id))),
  }));
  const not = tie("tree").map(({ condition, kept }) => ({
    condition: { kind: "not" as const, condition },
    kept: those((id) => !kept.has(id)),
  }));
  return { tree: fc.oneof({ depthSize: "small" }, leaf, all, any, not) };
});

const fill = (db: TestDatabase) =>
  applyItems(
    db.sql,
    MODEL.users.map((user) => ({
      users: [userSnapshot(clerkUser(user), "page", 1)],
      memberships: (MODEL.organizations.get(user.id) ?? []).map((organization) =>
        membershipSnapshot(
          {
            ...{ id: `orgmem_${user.id}`, role: "org:member", organization: { id: organization } },
            ...{ public_user_data: { user_id: user.id }, created_at: 1, updated_at: 1 },
          },
          "page",
          1,
        ),
      ),
    })),
    { lagMs: 60_000 },
  );

test("conditions within and, or and not keep whom logic says, in lists as in counts", async ({ db }) => {
  await fill(db);
  const parts = { nowMs: Date.now, availability: unwatched, cache: noCache };
  const { list, count } = createUserQueries(db.database.readers, parts);
  const orders = fc.record({ field: fc.constantFrom(...ORDER_FIELDS), descending: fc.boolean() });
  let split = 0;
  await fc.assert(
    fc.asyncProperty(tree, orders, async ({ condition: filter, kept }, orderBy) => {
      const params = { filter, orderBy, limit: 500, offset: 0, startingAfter: null };
      const listed = JSON.parse(String(await list(params, { privateMetadata: false })));
      expect(listed.map(({ id }: { id: string }) => id).sort()).toEqual([...kept].sort());
      expect(await count(filter)).toBe(kept.size);
      split += Number(kept.size > 0 && kept.size < EVERYBODY.length);
    }),
    { numRuns: 250, seed: 20_260_512 },
  );
  // A good part of the cases keeps some and leaves some out.
  expect(split).toBeGreaterThan(60);
}, 120_000);
