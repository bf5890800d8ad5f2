// Covers src/sync/apply/{batch,organizations,users,folded-table,derived-table,user-tables}.ts,
// src/sync/fold/snapshot.ts, src/sync/ledger/deliveries.ts

import { fork } from "node:child_process";
import { once } from "node:events";
import fc from "fast-check";
import { describe, expect } from "vitest";
import type { Sql } from "../../../src/db/connection/sql.js";
import { DERIVED_TABLES } from "../../../src/db/tables/registry.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import type { Item } from "../../../src/sync/apply/batch.js";
import {
  embeddedOrganization,
  gone,
  membershipSnapshot,
  organizationSnapshot,
  userSnapshot,
} from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import { test } from "../../support/database.js";
import { program } from "../../support/programs.js";

const OPTIONS = { lagMs: 60_000 };

/** Everything that was said about one user: created, updated (twice with one updated_at), read by a walk, written. */
function history(id: string, withDeletion: boolean): Item[] {
  const user = (fields: Record<string, unknown>) => clerkUser({ id, ...fields });
  const told: Item[] = [
    { users: [userSnapshot(user({ updated_at: 1000, first_name: "Created" }), "webhook", 1000)] },
    {
      users: [
        userSnapshot(
          user({ updated_at: 2000, first_name: "A", private_metadata: null, last_active_at: 77 }),
          "webhook",
          2000,
        ),
      ],
    },
    {
      users: [
        userSnapshot(user({ updated_at: 2000, first_name: "B", scim: { active: true } }), "webhook", 2001),
      ],
    },
    {
      users: [
        userSnapshot(
          user({
            updated_at: 2000,
            first_name: "Page",
            private_metadata: { k: "\u0000" },
            last_sign_in_at: 5,
          }),
          "page",
          1999,
        ),
      ],
    },
    {
      users: [userSnapshot(user({ updated_at: 3000, first_name: "Written", username: "u" }), "write", 2999)],
    },
  ];
  return withDeletion ? [...told, { users: [gone(id, "webhook", 4000)] }] : told;
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, index) =>
    permutations([...items.slice(0, index), ...items.slice(index + 1)]).map((rest) => [item, ...rest]),
  );
}

/** All that is stored about users, with their ids made alike: ids here differ in digits between other characters only. */
async function everyUser(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string; row: string }[]>`
    select u.id, json_build_object('u', to_json(u), 's', to_json(s), 'a', to_json(a), 'm', to_json(m), 'g', to_json(g),
      'i', (select json_agg(i order by kind, value) from mirror_data.user_identifiers i where i.user_id = u.id))::text as row
    from mirror_data.users u
    left join mirror_data.user_search s using (id)
    left join mirror_data.user_activity a using (id)
    left join mirror_data.user_metadata m using (id)
    left join mirror_data.user_grams g using (id)`;
  return rows.map(({ id, row }) =>
    row
      .replaceAll(id, "ID")
      .replace(/"(payload_hash|\w+_order)":"[^"]*"/g, "")
      .replace(/"private_place":\d+/, "")
      .replace(/"time_places":"[\d,]*"/, "")
      .replaceAll(/"number":\d+/g, ""),
  );
}

/** What else a user may be, in everything that something is derived from. */
const otherwise = fc.record(
  {
    first_name: fc.constantFrom(null, "Zoë", "Bo"),
    username: fc.constantFrom(null, "zoe", "Bo_1"),
    external_id: fc.constantFrom(null, "ext-1"),
    image_url: fc.constantFrom(null, "https://img.example/2"),
    banned: fc.boolean(),
    public_metadata: fc.constantFrom({}, { plan: "pro" }),
    private_metadata: fc.constantFrom({}, { note: "x" }),
    unsafe_metadata: fc.constantFrom({}, { theme: "dark" }),
    email_addresses: fc.uniqueArray(fc.constantFrom("a@x.example", "B@x.example", "c@y.example")).map((all) =>
      all.map((email_address, n) => ({
        ...{ id: `idn_${email_address}`, email_address, created_at: 1 },
        verification: n === 0 ? { status: "verified" } : null,
      })),
    ),
    primary_email_address_id: fc.constantFrom(null, "idn_a@x.example", "idn_c@y.example"),
    external_accounts: fc.constantFrom([], [{ id: "eac_1", provider: "oauth_x", provider_user_id: "7" }]),
  },
  { requiredKeys: [] },
);

describe("applyItems", () => {
  for (const withDeletion of [false, true]) {
    const kind = withDeletion ? "its deletion among them" : "it still lives";
    test(`ends in one and the same row for every arrival order, repetition and batching (${kind})`, async ({
      db,
    }) => {
      const orders = permutations(history("user_0", withDeletion).map((_, index) => index));
      const queues = orders.map((order, p) => {
        const items = history(`user_${String(p).padStart(4, "0")}x`, withDeletion);
        // Repeats: the first two again behind the last, and each third one at once again.
        const sequence = order.flatMap((index, at) => ((at + p) % 3 === 0 ? [index, index] : [index]));
        return [...sequence, order[0] ?? 0, order[1] ?? 0].map((index) => items[index] ?? {});
      });
      const deleted = new Set<string>();
      for (let round = 0; queues.some((queue) => queue.length > 0); round++) {
        const batch = queues.flatMap((queue, p) => queue.splice(0, 1 + ((p + round) % 3)));
        await applyItems(db.sql, batch, OPTIONS);
        for (const item of batch) {
          for (const snapshot of item.users ?? []) if (snapshot.kind === "gone") deleted.add(snapshot.id);
        }
        const readable = await db.sql<{ id: string }[]>`select id from mirror.users`;
        expect(readable.filter(({ id }) => deleted.has(id))).toEqual([]);
      }
      const distinct = new Set(await everyUser(db.sql));
      expect(distinct.size).toBe(1);
      const [counter] = await db.sql`select n from mirror_data.counters where name = 'users'`;
      expect(counter?.n).toBe(withDeletion ? 0 : orders.length);
    });
  }

  test("stores the greatest version, with what only others knew", async ({ db }) => {
    for (const item of history("user_1", false)) await applyItems(db.sql, [item], OPTIONS);
    const [row] = await db.sql`select payload, private_metadata from mirror_data.users`;
    expect(JSON.parse(row?.payload)).toMatchObject({
      first_name: "Written",
      scim: { active: true },
      last_active_at: 77,
      last_sign_in_at: 5,
    });
    expect(JSON.parse(row?.private_metadata)).toEqual({});
  });

  test("has its statements planned once, and leaves other work on the connection as it was", async ({
    db,
  }) => {
    let plans: unknown;
    const items = history("user_1", false);
    await applyItems(db.sql, items, {
      ...OPTIONS,
      within: async (tx) => {
        [plans] = await tx`show plan_cache_mode`;
      },
    });
    expect(plans).toEqual({ plan_cache_mode: "force_generic_plan" });
    expect(await db.sql`show plan_cache_mode`).toEqual([{ plan_cache_mode: "auto" }]);
  });

  test("writes nothing anywhere when everything is older than what is stored", async ({ db }) => {
    const items = history("user_1", false);
    await applyItems(db.sql, items, OPTIONS);
    const before = await versions(db.sql);
    const { statuses, users } = await applyItems(db.sql, items, OPTIONS);
    expect(statuses).toEqual(items.map(() => "stale"));
    expect(users.size).toBe(0);
    expect(await versions(db.sql)).toEqual(before);
  });

  test("an activity alone leaves the search row untouched", async ({ db }) => {
    const user = clerkUser({ id: "user_1" });
    await applyItems(db.sql, [{ users: [userSnapshot(user, "page", 1)] }], OPTIONS);
    const before = await versions(db.sql);
    const { users } = await applyItems(
      db.sql,
      [{ users: [userSnapshot({ ...user, last_active_at: 99 }, "webhook", 2)] }],
      OPTIONS,
    );
    const after = await versions(db.sql);
    expect(users).toEqual(new Map([["user_1", "touched"]]));
    expect({
      ...after,
      user_activity: before.user_activity,
      users: before.users,
      changes: before.changes,
    }).toEqual(before);
    expect(after.user_activity).not.toEqual(before.user_activity);
  });

  test("what is derived from a user doesn't depend on what it was before", async ({ db }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(otherwise, { minLength: 2, maxLength: 5 }), async (lives) => {
        const tables = ["users", ...Object.keys(DERIVED_TABLES)];
        // Of a few rows, which are deleted far sooner than so many tables are truncated.
        await db.sql.unsafe(tables.map((table) => `delete from mirror_data.${table}`).join("; "));
        const [lived, fresh] = ["user_010x", "user_020x"];
        const told = lives.map((fields, n) => {
          const user = (id: string) => clerkUser({ id, ...fields, updated_at: n + 1 });
          return (id: string): Item => ({ users: [userSnapshot(user(id), "page", n + 1)] });
        });
        for (const tell of told) await applyItems(db.sql, [tell(lived)], OPTIONS);
        await applyItems(
          db.sql,
          told.slice(-1).map((tell) => tell(fresh)),
          OPTIONS,
        );
        const [one, other] = await everyUser(db.sql);
        expect(one).toBe(other);
      }),
      { numRuns: 60 },
    );
  });

  test("new metadata leave the search row and the identifiers untouched", async ({ db }) => {
    const user = clerkUser({ id: "user_1", updated_at: 1 });
    const tell = (fields: object, at: number) =>
      applyItems(
        db.sql,
        [{ users: [userSnapshot({ ...user, ...fields, updated_at: at }, "page", at)] }],
        OPTIONS,
      );
    await tell({}, 1);
    const before = await versions(db.sql);
    await tell({ public_metadata: { plan: "pro" } }, 2);
    const after = await versions(db.sql);
    for (const table of ["user_search", "user_grams", "user_identifiers"]) {
      expect(after[table]).toEqual(before[table]);
    }
    expect(after.user_metadata).not.toEqual(before.user_metadata);
  });

  test("the table of ids has each live user, and is never updated", async ({ db }) => {
    const tell = (id: string, at: number) =>
      applyItems(
        db.sql,
        [{ users: [userSnapshot(clerkUser({ id, first_name: `Ada-${at}`, updated_at: at }), "page", at)] }],
        OPTIONS,
      );
    const ids = () => db.sql`select id, xmin::text, xmax::text from mirror_data.user_ids order by id`;
    for (const id of ["user_b", "user_a"]) await tell(id, 1);
    const before = await ids();
    expect(before.map(({ id }) => id)).toEqual(["user_a", "user_b"]);
    await tell("user_a", 2);
    expect(await ids()).toEqual(before);
    await applyItems(db.sql, [{ users: [gone("user_a", "webhook", 3)] }], OPTIONS);
    expect((await ids()).map(({ id }) => id)).toEqual(["user_b"]);
  });

  test("a new name whose pieces are the same doesn't even lock the row of pieces", async ({ db }) => {
    const tell = (first_name: string, at: number) => {
      const user = clerkUser({ id: "user_1", first_name, updated_at: at });
      return applyItems(db.sql, [{ users: [userSnapshot(user, "page", at)] }], OPTIONS);
    };
    const grams = async () => (await db.sql`select xmin::text, xmax::text from mirror_data.user_grams`)[0];
    await tell("Ada", 1);
    const before = await grams();
    await tell("Emma", 2);
    expect(await grams()).toEqual(before);
    await tell("Emma-Zoë", 3);
    expect(await grams()).not.toEqual(before);
  });

  test("a user who changes gets the derived rows that are missing, beside others who have theirs", async ({
    db,
  }) => {
    const ids = ["user_010x", "user_020x", "user_030x"];
    const tell = (fields: object, at: number) =>
      applyItems(
        db.sql,
        ids.map((id) => ({
          users: [userSnapshot(clerkUser({ id, ...fields, updated_at: at }), "page", at)],
        })),
        OPTIONS,
      );
    await tell({}, 1);
    for (const [table, key] of Object.entries(DERIVED_TABLES))
      await db.sql.unsafe(`delete from mirror_data.${table} where ${key} = $1`, [ids[1] ?? ""]);
    await tell(
      { first_name: "Zoë", email_addresses: [], public_metadata: { plan: "pro" }, last_active_at: 77 },
      2,
    );
    const [first, ...others] = await everyUser(db.sql);
    expect(first).toMatch(/"first_name_key":"zoë".*"last_active_at":77/);
    expect(others).toEqual([first, first]);
  });

  test("tells new messages, repeats and dead letters apart, and counts each once", async ({ db }) => {
    const batch = (messages: [messageId: string, outcome: "applied" | "dead_lettered"][]) =>
      applyItems(
        db.sql,
        messages.map(
          ([messageId, outcome]): Item => ({ delivery: { messageId, outcome, type: null, userId: null } }),
        ),
        OPTIONS,
      );
    await batch([
      ["msg_c", "applied"],
      ["msg_b", "dead_lettered"],
    ]);
    const { statuses } = await batch([
      ["msg_c", "applied"],
      ["msg_d", "dead_lettered"],
      ["msg_b", "applied"],
      ["msg_a", "applied"],
      ["msg_a", "applied"],
    ]);
    expect(statuses).toEqual(["duplicate", "stale", "stale", "stale", "duplicate"]);
    const stored = await db.sql`select message_id, outcome from mirror_data.deliveries order by 1`;
    expect(stored.map((row) => [row.message_id, row.outcome])).toEqual([
      ["msg_a", "stale"],
      ["msg_b", "stale"],
      ["msg_c", "stale"],
      ["msg_d", "dead_lettered"],
    ]);
    const counted = await db.sql`
      select outcome, sum(n)::integer as n from mirror_data.delivery_counts group by 1 having sum(n) > 0 order by 1`;
    expect(counted.map((row) => [row.outcome, row.n])).toEqual([
      ["dead_lettered", 1],
      ["stale", 3],
    ]);
  });

  test("a deletion leaves nothing personal behind", async ({ db }) => {
    await applyItems(db.sql, history("user_1", true), OPTIONS);
    const [row] = await db.sql`select to_json(u)::text as row from mirror_data.users u`;
    expect(row?.row).not.toMatch(/Written|Created|example\.com/);
    for (const table of Object.keys(DERIVED_TABLES)) {
      expect(await db.sql.unsafe(`select * from mirror_data.${table}`)).toEqual([]);
    }
  });

  test("announces each change in the feed and by NOTIFY in the same commit, and nothing else", async ({
    db,
  }) => {
    const heard: string[] = [];
    const listener = await db.sql.listen("mirror_changes", (payload) => heard.push(payload));
    await applyItems(db.sql, history("user_1", true), OPTIONS);
    await applyItems(db.sql, history("user_1", true), OPTIONS);
    await applyItems(db.sql, history("user_2", false), OPTIONS);
    const feed = await db.sql`select type, id from mirror_data.changes order by position`;
    expect(feed.map((row) => [row.type, row.id])).toEqual([
      ["user.deleted", "user_1"],
      ["user.upserted", "user_2"],
    ]);
    await expect.poll(() => heard.length).toBe(2);
    expect(heard).toEqual(['{"ids":["user_1"]}', '{"ids":["user_2"]}']);
    await listener.unlisten();
  });

  test("a membership stays unreadable while its user or its organization is a tombstone", async ({ db }) => {
    const organization = { id: "org_1", object: "organization", name: "Acme", created_at: 1, updated_at: 1 };
    const membership = membershipSnapshot(
      {
        id: "orgmem_1",
        object: "organization_membership",
        role: "org:admin",
        created_at: 1,
        updated_at: 1,
        organization,
        public_user_data: { user_id: "user_1" },
      },
      "webhook",
      1,
    );
    const readable = async () =>
      (await db.sql`select id from mirror.organization_memberships`).map((row) => row.id);
    const item: Item = {
      memberships: [membership],
      organizations: embeddedOrganization(membership.object, 1),
    };
    await applyItems(
      db.sql,
      [item, { users: [userSnapshot(clerkUser({ id: "user_1" }), "page", 1)] }],
      OPTIONS,
    );
    expect(await readable()).toEqual(["orgmem_1"]);
    await applyItems(db.sql, [{ organizations: [gone("org_1", "webhook", 2)] }, item], OPTIONS);
    expect(await readable()).toEqual([]);
    const revived = { ...organizationSnapshot(organization, "refetch", 100_000) };
    await applyItems(
      db.sql,
      [{ organizations: [revived] }, { users: [gone("user_1", "webhook", 3)] }],
      OPTIONS,
    );
    expect(await readable()).toEqual([]);
  });

  test("two processes that apply the same stream in different orders end alike, without a deadlock", async ({
    db,
  }) => {
    const children = [1, 2].map((seed) =>
      fork(program("test/support/apply-child.ts"), [db.url, String(seed)], {
        execArgv: [],
        stdio: ["ignore", "inherit", "inherit", "ipc"],
      }),
    );
    const codes = await Promise.all(children.map(async (child) => (await once(child, "exit"))[0]));
    expect(codes).toEqual([0, 0]);
    const rows = new Set(await everyUser(db.sql));
    expect(rows.size).toBe(2);
    const [counts] = await db.sql`
      select (select n from mirror_data.counters where name = 'users') as counted,
        (select count(*) from mirror_data.user_search) as stored`;
    expect(counts).toEqual({ counted: 100, stored: 100 });
  });
});

/** The versions (xmin) of all rows, by table: a row that was written again has another. */
async function versions(sql: Sql): Promise<Record<string, unknown[]>> {
  const result: Record<string, unknown[]> = {};
  for (const table of ["users", ...Object.keys(DERIVED_TABLES), "changes", "counters"]) {
    result[table] = await sql.unsafe(`select xmin::text, ctid::text from mirror_data.${table} order by ctid`);
  }
  return result;
}
