// Covers src/sync/apply/derive.ts

import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";

const account = (id: string, fields: object) => ({
  ...{ id, object: "external_account", created_at: 5, updated_at: 6, verification: { status: "verified" } },
  ...fields,
});

const ACCOUNTS = [
  account("eac_1", { provider: "oauth_saml", provider_user_id: "" }),
  account("eac_2", { provider: "oauth_saml", provider_user_id: "" }),
  account("eac_3", { provider: "oauth_github", provider_user_id: "77", email_address: "Ada@example.com" }),
  account("eac_4", {}),
  account("eac_5", { provider: "oauth_custom", provider_user_id: null }),
  account("idn_6", {
    object: "google_account",
    provider: "google",
    provider_user_id: "g6",
    external_account_id: "eac_6",
  }),
  account("idn_7", {
    object: "facebook_account",
    provider: "facebook",
    provider_user_id: "",
    external_account_id: "eac_7",
  }),
  // The same once more is no other.
  account("eac_3", { provider: "oauth_github", provider_user_id: "77" }),
];
const IDS = ["eac_1", "eac_2", "eac_3", "eac_4", "eac_5", "eac_6", "eac_7"];

const apply = (db: TestDatabase, ...users: Record<string, unknown>[]) =>
  applyItems(db.sql, [{ users: users.map((user) => userSnapshot(user, "page", Number(user.updated_at))) }], {
    lagMs: 0,
  });
const idsIn = async (db: TestDatabase) =>
  (await db.sql`select id from mirror.external_accounts order by id`).map(({ id }) => id);
const rows = async (db: TestDatabase) => [
  ...(await db.sql`select * from mirror_data.user_identifiers where kind = 'account' order by user_id, value`),
];

test("each linked account is one row, by the id that Clerk's API deletes it by", async ({ db }) => {
  await apply(db, clerkUser({ id: "user_1", external_accounts: ACCOUNTS }));
  expect(await idsIn(db)).toEqual(IDS);
  const [github] = await db.sql`select * from mirror.external_accounts where id = 'eac_3'`;
  expect(github).toMatchObject({
    provider: "oauth_github",
    provider_user_id: "77",
    email_address: "Ada@example.com",
  });

  await apply(db, clerkUser({ id: "user_1", updated_at: 2000, external_accounts: ACCOUNTS.slice(1, 3) }));
  expect(await idsIn(db)).toEqual(["eac_2", "eac_3"]);
});

test("rows that an earlier version wrote are mended by the migration as they would be written now", async ({
  db,
}) => {
  const users = [
    clerkUser({ id: "user_1", external_accounts: ACCOUNTS }),
    clerkUser({ id: "user_2", external_accounts: ACCOUNTS.slice(2, 3) }),
    clerkUser({ id: "user_3", external_accounts: [account("eac_9", { note: "\u0000" }), null, 7] }),
    clerkUser({ id: "user_4", public_metadata: { external_accounts: [{ id: 1 }] } }),
  ];
  await apply(db, ...users);
  const written = await rows(db);
  expect(written).toHaveLength(IDS.length + 2);
  // As it was: one row for each provider and id there, and the identification's id.
  await db.sql`
    delete from mirror_data.user_identifiers
    where kind = 'account' and (folded = '' or length(value) - length(replace(value, E'\\n', '')) > 1)`;
  await db.sql`update mirror_data.user_identifiers set clerk_id = detail->>'id' where kind = 'account'`;
  expect(await rows(db)).not.toEqual(written);
  const migration = readFileSync("drizzle/0011_linked_accounts_each_once.sql", "utf8");
  for (const statement of migration.split("--> statement-breakpoint")) await db.sql.unsafe(statement);
  expect(await rows(db)).toEqual(written);
});
