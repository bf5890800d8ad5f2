// Covers src/query/public-user-data.ts

import { beforeEach, describe, expect } from "vitest";
import { unwatched } from "../../src/db/connection/availability.js";
import { createMembershipQueries, type MembershipQueries } from "../../src/query/memberships.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import type { Item } from "../../src/sync/apply/batch.js";
import {
  embeddedOrganization,
  gone,
  membershipSnapshot,
  userSnapshot,
} from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";

const LAG_MS = 1000;
const PRIVATE = { privateMetadata: true };

/** The user of this number has as many memberships, of the organizations 0, 1, 2 …; every third at the same time. */
const MOST = 12;
const idAndTime = (user: number, n: number) => ({
  id: `orgmem_${user}_${String(n).padStart(2, "0")}`,
  at: n - (n % 3),
});
const idsOf = (user: number) =>
  Array.from({ length: user }, (_, n) => idAndTime(user, n))
    .sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1))
    .map(({ id }) => id);

function membershipOf(user: number, n: number): Item {
  const { id, at } = idAndTime(user, n);
  const snapshot = membershipSnapshot(
    {
      id,
      object: "organization_membership",
      role: "org:member",
      public_metadata: {},
      private_metadata: { of: user },
      created_at: at,
      updated_at: 1,
      organization: { id: `org_${n}`, name: `Number ${n}`, members_count: 0, created_at: 1, updated_at: 1 },
      public_user_data: { user_id: `user_${user}` },
    },
    "page",
    1,
  );
  return { memberships: [snapshot], organizations: embeddedOrganization(snapshot.object, 1) };
}

async function fill(db: TestDatabase): Promise<MembershipQueries> {
  const items = Array.from({ length: MOST }, (_, user): Item[] => [
    { users: [userSnapshot(clerkUser({ id: `user_${user}`, first_name: `Name ${user}` }), "page", 1)] },
    ...Array.from({ length: user }, (_, n) => membershipOf(user, n)),
  ]);
  await applyItems(db.sql, items.flat(), { lagMs: 0 });
  return createMembershipQueries(db.database.readers, { availability: unwatched, lagMs: LAG_MS });
}

interface Answer {
  data: {
    id: string;
    private_metadata: unknown;
    organization: { id: string; members_count: number };
    public_user_data: { user_id: string; first_name: string };
  }[];
  total_count: number;
}

describe("the memberships of users", () => {
  let memberships: MembershipQueries;
  beforeEach<{ db: TestDatabase }>(async ({ db }) => {
    memberships = await fill(db);
  });
  const ask = async (user: number, limit: number, offset: number): Promise<Answer | null> => {
    const text = await memberships.list(`user_${user}`, { limit, offset }, PRIVATE);
    return text === null ? null : JSON.parse(text);
  };

  test("are paged newest first, with the number of all, whoever else asks at the same time", async () => {
    const questions = Array.from({ length: MOST }, (_, user) =>
      [1, 3, 10, 500].flatMap((limit) => [0, 2, 11, 40].map((offset) => ({ user, limit, offset }))),
    ).flat();
    const answers = await Promise.all(questions.map(({ user, limit, offset }) => ask(user, limit, offset)));
    for (const [index, { user, limit, offset }] of questions.entries()) {
      const answer = answers[index];
      expect([user, limit, offset, answer?.total_count, answer?.data.map(({ id }) => id)]).toEqual([
        ...[user, limit, offset, user],
        idsOf(user).slice(offset, offset + limit),
      ]);
      for (const { public_user_data, private_metadata } of answer?.data ?? []) {
        expect(public_user_data).toMatchObject({ user_id: `user_${user}`, first_name: `Name ${user}` });
        expect(private_metadata).toEqual({ of: user });
      }
    }
  });

  test("are those that can be shown: not of users or organizations that are gone or unknown", async ({
    db,
  }) => {
    const without = { ...membershipOf(3, 11), organizations: [] };
    const items = [
      { users: [gone("user_4", "webhook", 2)], organizations: [gone("org_1", "webhook", 2)] },
      without,
    ];
    await db.sql`delete from mirror_data.organizations where id = 'org_11'`;
    await applyItems(db.sql, items, { lagMs: 0 });
    expect(await ask(4, 10, 0)).toBeNull();
    expect(await ask(99, 10, 0)).toBeNull();
    const shown = await ask(3, 10, 0);
    expect([shown?.total_count, shown?.data.map(({ organization }) => organization.id)]).toEqual([
      2,
      ["org_2", "org_0"],
    ]);
    // Of 11 members one is gone.
    expect(shown?.data.at(-1)?.organization.members_count).toBe(MOST - 2);
  });
});

describe("what a membership shows of its user", () => {
  const AT = 1_000_000;
  const address = (id: string, email_address: string) => ({ id, email_address, linked_to: [] });
  const user = (observedAtMs: number, more: object) =>
    userSnapshot(clerkUser({ id: "user_1", updated_at: 1, ...more }), "webhook", observedAtMs);
  const membership = (
    observedAtMs: number,
    publicUserData: object,
    source: "webhook" | "page" = "webhook",
  ) => {
    const snapshot = membershipSnapshot(
      {
        ...{ id: "orgmem_1", created_at: 1, updated_at: 1 },
        organization: { id: "org_1", created_at: 1, updated_at: 1 },
        public_user_data: { user_id: "user_1", ...publicUserData },
      },
      source,
      observedAtMs,
    );
    return { memberships: [snapshot], organizations: embeddedOrganization(snapshot.object, observedAtMs) };
  };
  async function shown(db: TestDatabase, items: readonly Item[]) {
    for (const item of items) await applyItems(db.sql, [item], { lagMs: 0 });
    const memberships = createMembershipQueries(db.database.readers, {
      availability: unwatched,
      lagMs: 5000,
    });
    const text = await memberships.list("user_1", { limit: 1, offset: 0 }, PRIVATE);
    return JSON.parse(text ?? "{}").data[0].public_user_data;
  }
  const OLD = {
    ...{ first_name: "Old", last_name: null, profile_image_url: null, image_url: "", has_image: false },
    identifier: "a@example.com",
    deprovisioned: true,
    later: { x: [1] },
  };
  const NOW = {
    ...{ first_name: "New", last_name: "Lovelace" },
    ...{ profile_image_url: "https://img.example/1", image_url: "https://img.example/1" },
  };
  const owned = { email_addresses: [address("idn_1", "a@example.com"), address("idn_2", "b@example.com")] };
  const renamed = { ...owned, first_name: "New", primary_email_address_id: "idn_2", updated_at: 2 };

  test("is Clerk's own object, with the names that it has, where the user was not seen later", async ({
    db,
  }) => {
    const seen = await shown(db, [
      { users: [user(AT, { first_name: "Earlier", ...owned })] },
      membership(AT + 1, OLD),
    ]);
    expect(JSON.stringify(seen)).toBe(JSON.stringify({ user_id: "user_1", ...OLD }));
  });

  test("follows the user who was seen later, and keeps what only Clerk knows", async ({ db }) => {
    const seen = await shown(db, [membership(AT, OLD), { users: [user(AT + 1, renamed)] }]);
    expect(JSON.stringify(seen)).toBe(JSON.stringify({ user_id: "user_1", ...OLD, ...NOW }));
  });

  test("follows a user known here where a list shows him as before, within what lists trail by", async ({
    db,
  }) => {
    const before = { users: [user(AT, renamed)] };
    expect(await shown(db, [before, membership(AT + 5000, OLD, "page")])).toMatchObject({
      first_name: "New",
    });
    expect(await shown(db, [membership(AT + 5001, OLD, "page")])).toMatchObject({ first_name: "Old" });
  });

  test("is kept anew when it changes and nothing else does", async ({ db }) => {
    const later = { ...OLD, deprovisioned: false };
    const seen = await shown(db, [
      { users: [user(AT, renamed)] },
      membership(AT + 1, OLD),
      membership(AT + 2, later),
    ]);
    expect(seen).toEqual({ user_id: "user_1", ...later });
  });

  const phone = (id: string, phone_number: string) => ({ id, phone_number, linked_to: [] });
  const everything = {
    email_addresses: [address("idn_1", "a@example.com"), address("idn_2", "b@example.com")],
    primary_email_address_id: "idn_2",
    phone_numbers: [phone("idn_3", "+15550001"), phone("idn_4", "+15550002")],
    primary_phone_number_id: "idn_4",
    username: "ann",
    web3_wallets: [{ id: "idn_5", web3_wallet: `0x${"a".repeat(40)}` }],
  };
  test.for([
    ["an address that is still the user's", "a@example.com", everything, "a@example.com"],
    ["an address that isn't any more", "gone@example.com", everything, "b@example.com"],
    ["a number that is still the user's", "+15550001", everything, "+15550001"],
    ["a number that isn't any more", "+15559999", everything, "+15550002"],
    ["a username that was changed", "anna", everything, "ann"],
    ["a wallet that was replaced", `0x${"b".repeat(40)}`, everything, `0x${"a".repeat(40)}`],
    ["a number, and there is none any more", "+1", { ...everything, phone_numbers: [] }, "b@example.com"],
    ["nothing", null, everything, "b@example.com"],
  ] as const)(
    "names the user by what Clerk did, or by its like: %s",
    async ([, identifier, now, expected], { db }) => {
      const seen = await shown(db, [membership(AT, { identifier }), { users: [user(AT + 1, now)] }]);
      expect(seen.identifier).toBe(expected);
    },
  );

  test("is made from the user where it was never kept", async ({ db }) => {
    await shown(db, [{ users: [user(AT, renamed)] }, membership(AT + 1, OLD)]);
    await db.sql`update mirror_data.organization_memberships set public_user_data = null`;
    expect(await shown(db, [])).toMatchObject({
      user_id: "user_1",
      first_name: "New",
      identifier: "b@example.com",
    });
  });
});
