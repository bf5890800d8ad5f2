// Covers src/sync/apply/{users,merge-locked,derive}.ts

import { expect, test } from "vitest";
import type { Tx } from "../../../src/db/connection/sql.js";
import { derivedRows } from "../../../src/sync/apply/derive.js";
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
