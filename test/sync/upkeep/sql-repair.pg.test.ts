// Covers src/sync/apply/safe-json.ts

import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { silentLogger } from "../../../src/observability/logger.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { membershipSnapshot, organizationSnapshot, userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { createSqlRepair } from "../../../src/sync/upkeep/sql-repair.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";

const SECRET = "nobody-may-read-this";
const secret = () => ({ private_metadata: { note: SECRET } });
const own = { private_metadata: "the user's own word" };

/** Wherever Clerk's schema lets a user hold private metadata, and where it may come to hold some. */
const user = () =>
  clerkUser({
    id: "user_1",
    ...secret(),
    public_metadata: own,
    unsafe_metadata: { list: [own] },
    organization_memberships: [
      {
        id: "orgmem_1",
        ...secret(),
        public_metadata: own,
        organization: { id: "org_1", name: "Acme", ...secret() },
      },
    ],
    external_accounts: [{ id: "eac_1", provider: "oauth_google", provider_user_id: "1", ...secret() }],
    enterprise_accounts: [{ id: "ent_1", enterprise_connection: { id: "c_1", ...secret() } }],
  });

async function applyAll(db: TestDatabase) {
  const organization = {
    ...{ id: "org_1", object: "organization", name: "Acme", created_at: 1, updated_at: 1 },
    ...secret(),
    domains: [{ id: "dom_1", ...secret() }],
  };
  const membership = {
    ...{
      id: "orgmem_1",
      object: "organization_membership",
      role: "org:member",
      created_at: 1,
      updated_at: 1,
    },
    ...secret(),
    organization,
    public_user_data: { user_id: "user_1", ...secret() },
    permissions: [{ id: "perm_1", ...secret() }],
  };
  await applyItems(
    db.sql,
    [
      {
        users: [userSnapshot(user(), "webhook", 1)],
        organizations: [organizationSnapshot(organization, "webhook", 1)],
        memberships: [membershipSnapshot(membership, "webhook", 1)],
      },
    ],
    { lagMs: 0 },
  );
}

/** Everything that readers of SQL see but the one view that is granted apart. */
async function shown(db: TestDatabase): Promise<string> {
  const views = await db.sql<{ name: string }[]>`
    select table_name as name from information_schema.views
    where table_schema = 'mirror' and table_name <> 'user_private_metadata'`;
  const rows = await Promise.all(
    views.map(({ name }) => db.sql`select to_jsonb(v)::text as row from mirror.${db.sql(name)} v`),
  );
  return JSON.stringify(rows);
}

test("no view but the one for it shows private metadata, however deep it lies", async ({ db }) => {
  await applyAll(db);
  expect(await shown(db)).not.toContain(SECRET);
  const [row] = await db.sql`select data from mirror.users`;
  expect(row?.data).toMatchObject({
    public_metadata: own,
    unsafe_metadata: { list: [own] },
    organization_memberships: [
      {
        private_metadata: null,
        public_metadata: own,
        organization: { name: "Acme", private_metadata: null },
      },
    ],
  });
  const [apart] = await db.sql`select private_metadata from mirror.user_private_metadata`;
  expect(apart?.private_metadata).toEqual({ note: SECRET });
});

test("of rows of an earlier version, SQL sees the id alone until they are put right", async ({ db }) => {
  await applyAll(db);
  const tables = ["users", "organizations", "organization_memberships"];
  for (const table of tables) await db.sql`update mirror_data.${db.sql(table)} set payload_safe = null`;
  expect(await shown(db)).not.toContain(SECRET);
  expect((await db.sql`select data from mirror.users`)[0]?.data).toEqual({ id: "user_1" });

  const { repair } = createSqlRepair({ sql: db.sql, log: silentLogger() });
  expect(await repair()).toBe(3);
  expect(await shown(db)).not.toContain(SECRET);
  expect((await db.sql`select data from mirror.users`)[0]?.data).toMatchObject({ public_metadata: own });
  expect(await repair()).toBe(0);
});

test("what SQL reads as private is what the code takes for it", () => {
  const views = readFileSync("drizzle/0012_nested_private_metadata.sql", "utf8");
  expect(views.match(/strpos\(\w\.payload, '"private_metadata"'\)/g)).toHaveLength(3);
});
