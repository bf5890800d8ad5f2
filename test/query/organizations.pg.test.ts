// Covers src/query/{organizations,created-place}.ts, src/http/routes/organizations.ts

import { beforeEach, describe, expect } from "vitest";
import { unwatched } from "../../src/db/connection/availability.js";
import { OURSELVES } from "../../src/lib/shares.js";
import { parsePlace } from "../../src/query/created-place.js";
import { createQueryEngine } from "../../src/query/engine.js";
import { createOrganizationQueries, type OrganizationQueries } from "../../src/query/organizations.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import type { Item } from "../../src/sync/apply/batch.js";
import {
  gone,
  membershipSnapshot,
  organizationSnapshot,
  userSnapshot,
} from "../../src/sync/fold/snapshot.js";
import { bearer, MIRROR_KEY, standInApp } from "../http/stand-ins.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";

const DAY = 86_400_000;
const FIRST = Date.UTC(2026, 0, 1);

const organization = (n: number, name: string): Item => ({
  organizations: [
    organizationSnapshot(
      {
        id: `org_${n}`,
        object: "organization",
        name,
        slug: `slug-${n}`,
        public_metadata: { n },
        private_metadata: { secret: true },
        // Two at each moment.
        created_at: Math.floor(n / 2),
        updated_at: 1,
      },
      "page",
      1,
    ),
  ],
});

const membership = (user: number, n: number, role: string, day: number): Item => ({
  memberships: [
    membershipSnapshot(
      {
        id: `orgmem_${n}_${user}`,
        object: "organization_membership",
        role,
        public_metadata: {},
        private_metadata: {},
        created_at: FIRST + day * DAY,
        updated_at: 1,
        organization: { id: `org_${n}` },
        public_user_data: { user_id: `user_${user}` },
      },
      "page",
      1,
    ),
  ],
});

const user = (n: number, fields: Record<string, unknown> = {}): Item => ({
  users: [userSnapshot(clerkUser({ id: `user_${n}`, first_name: `Name${n}`, ...fields }), "page", 1)],
});

let organizations: OrganizationQueries;

async function fill(db: TestDatabase): Promise<void> {
  const items = [
    ...Array.from({ length: 7 }, (_, n) => organization(n, n === 3 ? "Äcme 100%" : `Company ${n}`)),
    ...Array.from({ length: 5 }, (_, n) => user(n)),
    membership(0, 3, "org:admin", 0),
    membership(1, 3, "org:member", 0),
    membership(2, 3, "org:member", 2),
    membership(3, 3, "org:member", 2),
    membership(4, 5, "org:member", 1),
  ];
  await applyItems(db.sql, items, { lagMs: 0 });
  // A user who is gone is nobody's member, and an organization that is gone isn't listed.
  await applyItems(
    db.sql,
    [{ users: [gone("user_3", "webhook", 9)] }, { organizations: [gone("org_6", "webhook", 9)] }],
    { lagMs: 0 },
  );
  const engine = createQueryEngine(db.database.readers, { guard: unwatched.guard, nowMs: Date.now });
  organizations = createOrganizationQueries(engine);
}

describe("organizations", () => {
  beforeEach<{ db: TestDatabase }>(({ db }) => fill(db));

  test("are listed the newest first, page by page, each once, with how many are members", async ({ db }) => {
    void db;
    const seen: [string, number][] = [];
    for (let after = null as string | null, pages = 0; pages < 10; pages++) {
      const page = await organizations.list(
        { query: "", limit: 2, after: after === null ? null : parsePlace(after) },
        OURSELVES,
      );
      seen.push(...page.data.map(({ id, members }): [string, number] => [id, members]));
      after = page.next_cursor;
      if (after === null) break;
    }
    expect(seen).toEqual([
      ["org_5", 1],
      ["org_4", 0],
      ["org_3", 3],
      ["org_2", 0],
      ["org_1", 0],
      ["org_0", 0],
    ]);
  });

  test.each([
    ["äcme", ["org_3"]],
    ["100%", ["org_3"]],
    ["_", ["org_5", "org_4", "org_3", "org_2", "org_1", "org_0"]],
    ["SLUG-2", ["org_2"]],
    ["org_4", ["org_4"]],
    ["nobody", []],
  ])("are found by %s", async (query, ids) => {
    const page = await organizations.list({ query, limit: 50, after: null }, OURSELVES);
    expect(page.data.map(({ id }) => id)).toEqual(ids);
  });

  test("show roles, the days on which members joined, and no private metadata", async ({ db }) => {
    void db;
    expect(await organizations.get("org_3", OURSELVES)).toEqual({
      id: "org_3",
      name: "Äcme 100%",
      slug: "slug-3",
      created_at: 1,
      public_metadata: { n: 3 },
      members: 3,
      roles: [
        { role: "org:member", count: 2 },
        { role: "org:admin", count: 1 },
      ],
      joined: [
        { day: "2026-01-01", count: 2 },
        { day: "2026-01-03", count: 1 },
      ],
    });
    expect(await organizations.get("org_0", OURSELVES)).toMatchObject({ members: 0, roles: [], joined: [] });
    expect(await organizations.get("org_6", OURSELVES)).toBeNull();
    expect(await organizations.get("org_9", OURSELVES)).toBeNull();
  });

  test("have members, found by their names and roles", async ({ db }) => {
    void db;
    const members = async (id: string, query = "") =>
      (await organizations.members(id, { query, limit: 50, after: null }, OURSELVES)).data;
    expect((await members("org_3")).map(({ user_id }) => user_id)).toEqual(["user_2", "user_1", "user_0"]);
    expect(await members("org_3", "NAME1")).toEqual([
      {
        user_id: "user_1",
        role: "org:member",
        created_at: FIRST,
        username: null,
        first_name: "Name1",
        last_name: "Lovelace",
        email_address: "user_1@example.com",
      },
    ]);
    expect((await members("org_3", "org:admin")).map(({ user_id }) => user_id)).toEqual(["user_0"]);
    expect(await members("org_3", "user_4")).toEqual([]);
    expect(await members("org_6")).toEqual([]);
  });
});

describe("the routes of organizations", () => {
  const ask = async (path: string) => {
    const { app, asked } = standInApp();
    const response = await app.request(path, bearer(MIRROR_KEY));
    return { status: response.status, asked, body: (await response.json()) as Record<string, unknown> };
  };

  test("pass on text, limit and cursor", async () => {
    const cursor = Buffer.from("5.org_1").toString("base64url");
    const { asked, status } = await ask(`/mirror/organizations?query=a%25&limit=7&cursor=${cursor}`);
    expect(status).toBe(200);
    expect(asked).toEqual([
      ["organizations", { query: "a%", limit: 7, after: { createdAtMs: 5, id: "org_1" } }],
    ]);
    expect((await ask("/mirror/organizations/org_1/members")).asked).toEqual([
      ["members", "org_1", { query: "", limit: 50, after: null }],
    ]);
  });

  test.each([
    ["limit=0", "limit"],
    ["limit=501", "limit"],
    ["limit=x", "limit"],
    ["cursor=x", "cursor"],
    [`query=${"x".repeat(257)}`, "query"],
  ])("refuse %s", async (search, name) => {
    const { status, body, asked } = await ask(`/mirror/organizations?${search}`);
    expect([status, body]).toEqual([
      422,
      expect.objectContaining({ errors: [expect.objectContaining({ meta: { param_name: name } })] }),
    ]);
    expect(asked).toEqual([]);
  });

  test("know no organization that isn't there", async () => {
    expect((await ask("/mirror/organizations/org_9")).status).toBe(404);
    expect((await ask("/mirror/organizations/%00")).status).toBe(404);
  });
});
