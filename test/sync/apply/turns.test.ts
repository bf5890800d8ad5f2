// Covers src/sync/apply/{users,merge-locked,derive}.ts

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Tx } from "../../../src/db/connection/sql.js";
import { createPause } from "../../../src/lib/turns.js";
import { changedRows, derivedRows } from "../../../src/sync/apply/derive.js";
import { type FoldTable, foldLocked } from "../../../src/sync/apply/merge-locked.js";
import { userRow } from "../../../src/sync/apply/rows.js";
import type { StoredUser } from "../../../src/sync/apply/tables.js";
import { USER } from "../../../src/sync/fold/fold.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";

const NO_TX = null as unknown as Tx;

/** A table without a database: nothing in it waits, so that every turn of the loop was given by the fold itself. */
const table: FoldTable<StoredUser> = {
  kind: USER,
  name: "user",
  refetch: "user",
  rowOf: (id, state) => userRow(id, state, { number: null, created_day: null }).row,
  existing: async () => [],
  insert: async (_tx, rows) => rows.map(({ id }) => id),
  lock: async () => [],
  write: async () => ({ written: Promise.resolve() }),
};

test("others have their turn while a page of large users is folded", async () => {
  const metadata = Array.from({ length: 500 }, (_, n) => ({ name: `value ${n}`, list: [n, null, true] }));
  const incoming = Array.from({ length: 500 }, (_, item) => ({
    item,
    snapshot: userSnapshot(clerkUser({ id: `user_${item}`, public_metadata: { metadata } }), "page", 1),
  }));
  let turns = 0;
  let folding = true;
  const count = () => {
    turns++;
    if (folding) setImmediate(count);
  };
  setImmediate(count);
  const { outcomes } = await foldLocked(NO_TX, table, incoming, 0);
  folding = false;
  expect(outcomes).toHaveLength(500);
  expect(turns).toBeGreaterThan(5);
});

// Comparing each with all before it would take longer than a test may.
test("200,000 identifiers of one user, each once, take no more than their number", () => {
  const addresses = Array.from({ length: 200_000 }, (_, n) => ({
    id: `idn_${n}`,
    email_address: `a${n}@b.c`,
  }));
  const user = clerkUser({
    id: "user_1",
    primary_email_address_id: "the same",
    email_addresses: [...addresses, { id: "the same", email_address: "a7@b.c" }],
  });
  const { identifiers, search } = derivedRows(user as never);
  expect(identifiers).toHaveLength(200_000);
  expect(identifiers.filter((one) => one.is_primary)).toMatchObject([{ value: "a7@b.c", clerk_id: "idn_7" }]);
  expect(search.email_key).toBe("a7@b.c");
});

/** Members that rows are derived from, with values that are found alike, folded alike, absent, and not as Clerk sends them. */
const value = fc.constantFrom(
  undefined,
  null,
  1,
  true,
  "a",
  "A",
  "\u0000",
  {},
  { a: 1, b: 2 },
  { b: 2, a: 1 },
);
const address = fc.record(
  {
    id: fc.constantFrom("idn_1", "idn_2"),
    ...{ email_address: value, phone_number: value, web3_wallet: value, provider: value },
    verification: fc.constantFrom(null, { status: "verified" }, { status: "expired" }),
  },
  { requiredKeys: [] },
);
const list = fc.oneof(fc.array(address, { maxLength: 2 }), value);
const members = fc.record(
  {
    ...{ email_addresses: list, phone_numbers: list, web3_wallets: list, external_accounts: list },
    ...{ primary_email_address_id: fc.constantFrom("idn_1", "idn_2"), primary_phone_number_id: value },
    ...{
      primary_web3_wallet_id: value,
      username: value,
      first_name: value,
      last_name: value,
      external_id: value,
    },
    ...{ banned: value, has_image: value, password_enabled: value, two_factor_enabled: value },
    ...{ public_metadata: value, unsafe_metadata: value, private_metadata: value },
    created_at: fc.constantFrom(1, 2),
  },
  { requiredKeys: [] },
);

test("of a user who is stored already exactly those rows are made anew that differ", async () => {
  await fc.assert(
    fc.asyncProperty(members, members, async (before, changes) => {
      const stored = clerkUser({ id: "user_1", ...before });
      const user = clerkUser({ id: "user_1", ...before, ...changes });
      const hasSamePrivate =
        JSON.stringify(stored.private_metadata) === JSON.stringify(user.private_metadata);
      const [old, all] = [derivedRows(stored as never), derivedRows(user as never)];
      const pause = createPause();
      const changed = await changedRows(user as never, { user: stored as never, hasSamePrivate }, pause);
      for (const part of ["search", "identifiers"] as const) {
        const differs = JSON.stringify(old[part]) !== JSON.stringify(all[part]);
        expect(changed[part]).toEqual(differs ? all[part] : null);
      }
      expect(changed.searchBefore).toBe(changed.search && old.search.search);
      // Metadata may be spelled alike in SQL and differ here.
      if (changed.metadata) expect(changed.metadata).toEqual(all.metadata);
      else expect(all.metadata).toEqual(old.metadata);
    }),
    { numRuns: 1000 },
  );
});
