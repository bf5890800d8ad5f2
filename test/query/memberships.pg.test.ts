import { beforeEach, describe, expect } from "vitest";
import { unwatched } from "../../src/db/availability.js";
import { createMembershipQueries, type MembershipQueries } from "../../src/query/memberships.js";
import { applyItems, type Item } from "../../src/sync/apply.js";
import { embeddedOrganization, gone, membershipSnapshot, userSnapshot } from "../../src/sync/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";

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
  return createMembershipQueries(db.database, { availability: unwatched });
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
