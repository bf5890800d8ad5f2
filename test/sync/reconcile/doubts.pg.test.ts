// Covers src/sync/ledger/proof.ts, src/sync/apply/tombstone-questions.ts

import { afterEach, beforeEach, describe, expect } from "vitest";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { keepDeadObject, keepDeadWebhook } from "../../../src/sync/ledger/dead-letters.js";
import { CONTRADICTED, queueRefetches } from "../../../src/sync/ledger/refetch-queue.js";
import type { ClerkApi, Page } from "../../../src/upstream/users.js";
import { type TestDatabase, test } from "../../support/database.js";
import { walksOver } from "../../support/walks.js";

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ users: 20, organizations: 2, clockMs: 1_750_000_000_000 });
});
afterEach(() => sandbox.close());

const proofs = async ({ sql }: TestDatabase) => {
  const [row] = await sql<{ as_of: number; memberships_as_of: number }[]>`
    select as_of, memberships_as_of from mirror_data.upstream`;
  return [row?.as_of ?? 0, row?.memberships_as_of ?? 0] as const;
};

type Doubt = (db: TestDatabase) => Promise<unknown>;
const refetchOf =
  (kind: "user" | "organization" | "membership", id: string, reason = "dead_letter"): Doubt =>
  ({ sql }) =>
    queueRefetches(sql, [{ kind, id, reason }]);
const letterOf =
  (kind: "user" | "organization" | "membership"): Doubt =>
  ({ sql }) =>
    keepDeadObject(sql, { kind, id: `${kind}_1` }, {}, new Error("unusable"));
const letterOfWebhook =
  (type: string | null): Doubt =>
  ({ sql }) =>
    keepDeadWebhook(
      sql,
      { id: "msg_1", type, userId: null, payload: Buffer.from("{}"), error: "unusable" },
      [],
    );

/** One more on the first page, which can't be stored. */
const withPoison = (page: Page): Page => ({ ...page, items: [...page.items, { id: "x", created_at: null }] });
const poisoned: [string, (api: ClerkApi) => Partial<ClerkApi>][] = [
  ["a user", (api) => ({ listUsers: async (query, call) => withPoison(await api.listUsers(query, call)) })],
  [
    "an organization",
    (api) => ({
      listOrganizations: async (query, call) => withPoison(await api.listOrganizations(query, call)),
    }),
  ],
  [
    "a membership",
    (api) => ({ listMemberships: async (query, call) => withPoison(await api.listMemberships(query, call)) }),
  ],
];

describe("neither as_of nor memberships_as_of moves", () => {
  const doubts: [string, Doubt][] = [
    ["a refetch of a user is open", refetchOf("user", "user_1")],
    ["a refetch of an organization is open", refetchOf("organization", "org_1")],
    ["a refetch of a membership is open", refetchOf("membership", "org_1/user_1")],
    ["a user's tombstone is contradicted", refetchOf("user", "user_1", CONTRADICTED)],
    ["an organization's tombstone is contradicted", refetchOf("organization", "org_1", CONTRADICTED)],
    ["a user that Clerk showed is a dead letter", letterOf("user")],
    ["an organization that Clerk showed is a dead letter", letterOf("organization")],
    ["a membership that Clerk showed is a dead letter", letterOf("membership")],
    ["a webhook of a user is a dead letter", letterOfWebhook("user.updated")],
    ["a webhook of an organization is a dead letter", letterOfWebhook("organization.updated")],
    ["a webhook of a membership is a dead letter", letterOfWebhook("organizationMembership.created")],
    ["a webhook of nobody knows what is a dead letter", letterOfWebhook(null)],
  ];
  for (const [title, doubt] of doubts) {
    test(`while ${title}, and both move without`, async ({ db }) => {
      const { backfill, full, incremental } = await walksOver(db, sandbox);
      await backfill();
      const before = await proofs(db);
      await doubt(db);
      expect(await full()).toMatchObject({ state: "succeeded" });
      await incremental();
      expect(await proofs(db)).toEqual(before);
      await db.sql`truncate mirror_data.refetches, mirror_data.dead_letters`;
      await full();
      const [users, memberships] = await proofs(db);
      expect(users).toBeGreaterThan(before[0]);
      expect(memberships).toBeGreaterThan(before[1]);
    });
  }

  for (const [title, habit] of poisoned) {
    test(`where the walk itself is shown ${title} that can't be stored`, async ({ db }) => {
      await (await walksOver(db, sandbox)).backfill();
      const before = await proofs(db);
      const { full } = await walksOver(db, sandbox, { api: (api) => ({ ...api, ...habit(api) }) });
      await full();
      expect(await proofs(db)).toEqual(before);
    });
  }
});
