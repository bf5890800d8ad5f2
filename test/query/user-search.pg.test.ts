// Covers src/query/{user-search,walk-page,order-keys,engine,search-pool,strategy}.ts

import fc from "fast-check";
import { describe, expect } from "vitest";
import { unwatched } from "../../src/db/connection/availability.js";
import { createQueryEngine } from "../../src/query/engine.js";
import { parseUserQuery } from "../../src/query/language/request.js";
import { createUserSearch } from "../../src/query/user-search.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import { gone, userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";

const NOW = 1_700_000_000_000;
const DAY = 86_400_000;
const SCOPES = new Set(["users:read", "private_metadata:read"] as const);

interface Person {
  id: string;
  first_name: string | null;
  last_name: string | null;
  username: string | null;
  external_id: string | null;
  email: string | null;
  banned: boolean;
  created_at: number;
  last_active_at: number | null;
  last_sign_in_at: number | null;
  plan: unknown;
}

/** Few values of each kind, and none: every order has ties and users without a value. */
const personAt = (n: number): fc.Arbitrary<Person> => {
  const maybe = <T>(...values: T[]) => fc.constantFrom(...values, null);
  return fc.record({
    id: fc.constant(`user_${((n * 7919) % 100_003).toString(36)}${n % 2 ? "Z" : "a"}`),
    first_name: maybe("Ann", "ann", "Émile", "zoë", "", "b%"),
    last_name: maybe("Smith", "smith", "Ångström", "Zed"),
    username: maybe(`u${n % 50}`),
    external_id: maybe(`E${n % 40}`, `e${n % 40}`),
    email: maybe(`p${n}@x.io`, `p${n}@Y.io`),
    banned: fc.boolean(),
    created_at: fc.integer({ min: 0, max: 20 }).map((k) => NOW - k),
    last_active_at: maybe(NOW, NOW - DAY, NOW - 2 * DAY),
    last_sign_in_at: maybe(NOW, NOW - 1),
    plan: fc.constantFrom<unknown>(
      "pro",
      "free",
      "Pro",
      5,
      30,
      4.5,
      true,
      false,
      null,
      undefined,
      ["a"],
      { a: 1 },
      "é",
    ),
  });
};

const PEOPLE = fc.sample(fc.tuple(...Array.from({ length: 300 }, (_, n) => personAt(n))), {
  numRuns: 1,
  seed: 4,
})[0]!;

const asClerks = ({ email, plan, ...fields }: Person) =>
  clerkUser({
    ...fields,
    primary_email_address_id: email && "em",
    email_addresses: email ? [{ id: "em", email_address: email }] : [],
    public_metadata: { plan },
    updated_at: NOW,
  });

const fill = (db: TestDatabase) =>
  applyItems(
    db.sql,
    PEOPLE.map((person) => ({ users: [userSnapshot(asClerks(person), "page", 1)], memberships: [] })),
    { lagMs: 60_000 },
  );

function searchOver({ database }: TestDatabase) {
  const { guard } = unwatched;
  const nowMs = () => NOW;
  const engine = createQueryEngine(database.readers, { guard, nowMs });
  const search = createUserSearch({ points: database.readers.points, guard, engine, nowMs });
  return async (body: object): Promise<Answer> => {
    const query = parseUserQuery(JSON.stringify(body), { nowMs: NOW, scopes: SCOPES });
    return JSON.parse(String(await search(query, { privateMetadata: true }, { key: "" })));
  };
}

interface Answer {
  data: { id: string }[];
  next_cursor: string | null;
  total_count?: number;
  total_count_estimated?: boolean;
  changes_cursor: string;
}

async function walk(search: (body: object) => Promise<Answer>, body: object, between = async () => {}) {
  const ids: string[] = [];
  for (let cursor: string | null = null; ; ) {
    const answer: Answer = await search({ ...body, cursor });
    ids.push(...answer.data.map(({ id }) => id));
    cursor = answer.next_cursor;
    if (cursor === null) return ids;
    await between();
  }
}

const fold = (text: string | null) => text?.normalize("NFC").toLowerCase() ?? null;
const RANKS = ["string", "number", "boolean", "array", "object"];
const rankOf = (value: unknown) => RANKS.indexOf(Array.isArray(value) ? "array" : typeof value);

const KEYS: Record<string, (person: Person) => unknown> = {
  id: ({ id }) => id,
  external_id: ({ external_id }) => external_id,
  username: ({ username }) => fold(username),
  first_name: ({ first_name }) => fold(first_name),
  last_name: ({ last_name }) => fold(last_name),
  name: ({ first_name, last_name }) =>
    fold(
      first_name !== null && last_name !== null ? `${first_name} ${last_name}` : (first_name ?? last_name),
    ),
  email_address: ({ email }) => fold(email),
  email_domain: ({ email }) => fold(email?.split("@")[1] ?? null),
  banned: ({ banned }) => banned,
  locked: () => false,
  created_at: ({ created_at }) => created_at,
  updated_at: () => NOW,
  last_active_at: ({ last_active_at }) => last_active_at,
  last_sign_in_at: ({ last_sign_in_at }) => last_sign_in_at,
  "public_metadata.plan": ({ plan }) => plan ?? null,
};

function compare(one: unknown, other: unknown): number {
  if (rankOf(one) !== rankOf(other)) return rankOf(one) - rankOf(other);
  if (typeof one === "string") return Buffer.compare(Buffer.from(one), Buffer.from(String(other)));
  if (typeof one === "object") return 0;
  return Number(one) - Number(other);
}

function sorted(people: readonly Person[], orders: readonly string[]): string[] {
  const last = orders.at(-1) ?? "";
  const keys = [...orders, `${last.startsWith("-") ? "-" : ""}id`].map((order) => ({
    read: KEYS[order.replace("-", "")] ?? (() => null),
    sign: order.startsWith("-") ? -1 : 1,
  }));
  return [...people]
    .sort((a, b) => {
      for (const { read, sign } of keys) {
        const [one, other] = [read(a) ?? null, read(b) ?? null];
        if (one === null || other === null) {
          if (one !== other) return one === null ? 1 : -1;
        } else if (compare(one, other) !== 0) return sign * compare(one, other);
      }
      return 0;
    })
    .map(({ id }) => id);
}

const NAMES = Object.keys(KEYS);
const order = fc.tuple(fc.constantFrom("", "-"), fc.constantFrom(...NAMES)).map((parts) => parts.join(""));

describe("a walk", () => {
  test("reads everybody in its order, page by page, whatever the order", async ({ db }) => {
    await fill(db);
    const search = searchOver(db);
    const singles = NAMES.flatMap((name) => [[name], [`-${name}`]]);
    const pairs = [
      ["-last_active_at", "id"],
      ["last_active_at", "-id"],
      ["-created_at", "id"],
    ];
    for (const order_by of [...singles, ...pairs]) {
      const ids = await walk(search, { order_by, limit: 41 });
      expect([order_by, ids]).toEqual([order_by, sorted(PEOPLE, order_by)]);
    }
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(order, { minLength: 2, maxLength: 4, selector: (name) => name.replace("-", "") }),
        fc.integer({ min: 17, max: 150 }),
        async (order_by, limit) => {
          expect(await walk(search, { order_by, limit })).toEqual(sorted(PEOPLE, order_by));
        },
      ),
      { numRuns: 40, seed: 7 },
    );
  }, 240_000);

  test("keeps whom its filter keeps, and counts them", async ({ db }) => {
    await fill(db);
    const search = searchOver(db);
    const filters: [object, (person: Person) => boolean][] = [
      [{}, () => true],
      [{ banned: true }, ({ banned }) => banned],
      [{ "public_metadata.plan": "pro" }, ({ plan }) => plan === "pro"],
      [
        { or: [{ "public_metadata.plan": "pro" }, { last_name: "smith" }] },
        ({ plan, last_name }) => plan === "pro" || fold(last_name) === "smith",
      ],
      [{ not: { "public_metadata.plan": { gte: 5 } } }, ({ plan }) => typeof plan !== "number" || plan < 5],
      [{ id: PEOPLE.slice(0, 30).map(({ id }) => id) }, (person) => PEOPLE.indexOf(person) < 30],
      [{ email_domain: "y.IO", any: { contains: "@y" } }, ({ email }) => email?.endsWith("@Y.io") === true],
      [{ id: "nobody" }, () => false],
    ];
    for (const [filter, keeps] of filters) {
      for (const order_by of [
        ["-created_at"],
        ["last_active_at", "-id"],
        ["public_metadata.plan"],
        ["last_name", "-first_name"],
      ]) {
        const kept = sorted(PEOPLE.filter(keeps), order_by);
        expect(await walk(search, { filter, order_by, limit: 37 })).toEqual(kept);
        const { total_count, total_count_estimated, data } = await search({
          filter,
          order_by,
          limit: 5,
          count: true,
        });
        expect([total_count, total_count_estimated]).toEqual([kept.length, undefined]);
        expect(data.map(({ id }) => id)).toEqual(kept.slice(0, 5));
        const estimated = await search({ filter, order_by, limit: 5, count: "estimated" });
        expect(estimated.total_count_estimated).toBe(true);
        expect(estimated.total_count).toBeGreaterThanOrEqual(0);
      }
    }
  }, 120_000);

  test("is told how many there are, about, however many have a term", async ({ db }) => {
    await fill(db);
    await db.sql.unsafe("analyze mirror_data.user_search, mirror_data.user_names, mirror_data.user_ids");
    const search = searchOver(db);
    const smith = { any: { contains: "smith" } };
    const filters = [
      ...[smith, { any: { contains: "user_" } }, { any: { contains: "mile" } }, { not: smith }],
      ...[{ and: [smith, { any: { contains: "mile" } }] }, { or: [smith, { any: { contains: "mile" } }] }],
    ];
    for (const filter of filters) {
      const exact = (await search({ filter, limit: 1, count: true })).total_count ?? 0;
      const estimated = (await search({ filter, limit: 1, count: "estimated" })).total_count ?? 0;
      const isNear = Math.abs(estimated - exact) <= 0.1 * PEOPLE.length;
      expect({ filter, exact, estimated, isNear }).toEqual({ filter, exact, estimated, isNear: true });
    }
  });

  test("goes on from the one place in the feed that its first page told", async ({ db }) => {
    await fill(db);
    const search = searchOver(db);
    const first = await search({ limit: 10 });
    await applyItems(
      db.sql,
      [
        {
          users: [userSnapshot(clerkUser({ id: "user_new", updated_at: NOW + 1 }), "page", 2)],
          memberships: [],
        },
      ],
      { lagMs: 1 },
    );
    const second = await search({ limit: 10, cursor: first.next_cursor });
    expect(second.changes_cursor).toBe(first.changes_cursor);
    expect((await search({ limit: 10 })).changes_cursor).not.toBe(first.changes_cursor);
  });

  test("shows those who exist throughout exactly once, whatever happens to the others", async ({ db }) => {
    await fill(db);
    const search = searchOver(db);
    const still = PEOPLE.filter((_, n) => n % 3 === 0);
    const moving = PEOPLE.filter((_, n) => n % 3 !== 0);
    let round = 0;
    const churn = async () => {
      round++;
      const some = moving.filter((_, n) => (n + round) % 5 === 0);
      const items = some.map((person, n) => ({
        users: [
          (n + round) % 4 === 0
            ? gone(person.id, "webhook", NOW + round)
            : userSnapshot(
                asClerks({
                  ...person,
                  created_at: NOW - round,
                  last_name: `x${round}`,
                  last_active_at: NOW - round * DAY,
                  plan: round,
                }),
                "page",
                NOW + round,
              ),
        ],
        memberships: [],
      }));
      await applyItems(db.sql, items as never, { lagMs: 0 });
    };
    for (const order_by of [
      ["-created_at"],
      ["-last_active_at", "id"],
      ["last_name", "-first_name"],
      ["public_metadata.plan", "-username"],
      ["-email_address"],
      ["banned", "created_at"],
    ]) {
      const ids = await walk(search, { order_by, limit: 23 }, churn);
      const seen = ids.filter((id) => still.some((person) => person.id === id));
      expect(seen).toEqual(sorted(still, order_by));
    }
  }, 120_000);
});

describe("similar", () => {
  test("ranks by how similar the most similar value is", async ({ db }) => {
    await fill(db);
    const search = searchOver(db);
    const body = { filter: { name: { similar: "ann smitt" } }, order_by: ["-_score", "id"], limit: 9 };
    const ids = await walk(search, body);
    const rows = await db.sql<{ id: string }[]>`
      select id from (
        select id, word_similarity('ann smitt', coalesce(first_name_key || ' ' || last_name_key, first_name_key, last_name_key)) as score
        from mirror_data.user_search) as scored
      where score >= 0.5 order by score desc, id`;
    expect(ids).toEqual(rows.map(({ id }) => id));
    expect(ids.length).toBeGreaterThan(9);
    const counted = await search({ ...body, count: true });
    expect(counted.total_count).toBe(ids.length);
  });

  test("ranks all alike where nobody is kept for it", async ({ db }) => {
    await fill(db);
    const search = searchOver(db);
    const similar = { name: { similar: "ann smitt" } };
    const everybody = sorted(PEOPLE, ["-username"]);
    const ranked = (filter: object) =>
      walk(search, { filter, order_by: ["-_score", "-username"], limit: 100 });
    expect(await ranked({ or: [similar, {}] })).toEqual(everybody);
    expect(await ranked({ and: [similar, { or: [] }] })).toEqual([]);
    const kept = await walk(search, { filter: similar });
    expect(await ranked({ not: similar })).toEqual(everybody.filter((id) => !kept.includes(id)));
  });
});
