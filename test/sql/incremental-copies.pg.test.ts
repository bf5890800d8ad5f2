// Covers drizzle/0020_views_that_walk_indexes.sql, src/changes/feed.ts

import { setTimeout } from "node:timers/promises";
import { expect } from "vitest";
import type { Sql } from "../../src/db/connection/sql.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import {
  gone,
  membershipSnapshot,
  organizationSnapshot,
  userSnapshot,
} from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";

const VIEWS = {
  user: "users",
  organization: "organizations",
  membership: "organization_memberships",
} as const;
type Kind = keyof typeof VIEWS;
const KINDS = Object.keys(VIEWS) as Kind[];

interface Change {
  position: number;
  type: `${Kind}.${"upserted" | "deleted"}`;
  id: string;
  changed_at: string;
}
type Row = Record<string, unknown> & { id: string };

/** Somebody's copy of three views, who knows nothing of the mirror but what `docs/sql.md` says. */
class Copy {
  readonly rows: Record<Kind, Map<string, Row>> = {
    user: new Map(),
    organization: new Map(),
    membership: new Map(),
  };

  constructor(private readonly sql: Sql) {}

  /** Reads anew whatever has changed, and forgets what isn't there any more. */
  async take(changes: readonly Pick<Change, "type" | "id">[]): Promise<void> {
    for (const kind of KINDS) {
      const ids = [...new Set(changes.filter(({ type }) => type.startsWith(`${kind}.`)).map(({ id }) => id))];
      const found = await this.sql.unsafe<{ row: Row }[]>(
        `select to_jsonb(v) as row from mirror.${VIEWS[kind]} v where id = any(string_to_array($1, ' '))`,
        [ids.join(" ")],
      );
      for (const id of ids) this.rows[kind].delete(id);
      for (const { row } of found) this.rows[kind].set(row.id, row);
    }
    // Who is deleted takes their memberships along, without a change for each.
    const isGone = new Set(changes.filter(({ type }) => type.endsWith(".deleted")).map(({ id }) => id));
    for (const [id, { user_id, organization_id }] of this.rows.membership) {
      if (isGone.has(String(user_id)) || isGone.has(String(organization_id))) this.rows.membership.delete(id);
    }
  }
}

const everything = async (sql: Sql) => {
  const all = KINDS.map(async (kind) => {
    const rows = await sql.unsafe<{ row: Row }[]>(`select to_jsonb(v) as row from mirror.${VIEWS[kind]} v`);
    return [kind, new Map(rows.map(({ row }) => [row.id, row]))] as const;
  });
  return Object.fromEntries(await Promise.all(all));
};

/** Behind the last position that was read. */
function byPosition(sql: Sql, copy: Copy, mostAtOnce: number): () => Promise<number> {
  let last = 0;
  return async () => {
    const changes = await sql<Change[]>`
      select * from mirror.changes where position > ${last} order by position limit ${mostAtOnce}`;
    await copy.take(changes);
    last = changes.at(-1)?.position ?? last;
    return changes.length;
  };
}

/** From the last time on that was read, and that time once more: another commit may share it. */
function byTime(sql: Sql, copy: Copy): () => Promise<number> {
  let last = "-infinity";
  return async () => {
    const changes = await sql<Change[]>`
      select position, type, id, changed_at::text as changed_at from mirror.changes
      where changed_at >= ${last}::text::timestamptz order by position`;
    await copy.take(changes);
    const newer = changes.filter(({ changed_at }) => changed_at !== last).length;
    last = changes.at(-1)?.changed_at ?? last;
    return newer;
  };
}

/** Users by `changed_at`, and deletions by `deleted_users` alone. */
function deletionsByTheirView(sql: Sql): { users: Map<string, Row>; step: () => Promise<void> } {
  const users = new Map<string, Row>();
  let [changed, deleted] = ["-infinity", "-infinity"];
  return {
    users,
    async step() {
      const [now] = await sql<{ changed: string | null; deleted: string | null }[]>`
        select (select max(changed_at)::text from mirror.changes) as changed,
          (select max(deleted_at)::text from mirror.deleted_users) as deleted`;
      const rows = await sql<{ row: Row }[]>`
        select to_jsonb(u) as row from mirror.users u where id in (
          select id from mirror.changes where changed_at >= ${changed}::text::timestamptz and type = 'user.upserted')`;
      for (const { row } of rows) users.set(row.id, row);
      const gone = await sql<{ id: string }[]>`
        select id from mirror.deleted_users where deleted_at >= ${deleted}::text::timestamptz - interval '1 hour'`;
      for (const { id } of gone) users.delete(id);
      [changed, deleted] = [now?.changed ?? changed, now?.deleted ?? deleted];
    },
  };
}

/** Creates, changes and deletes what the other writers do too, in batches that overlap. */
async function write(sql: Sql, seed: number, isOver: () => boolean): Promise<number> {
  let state = seed;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  let batches = 0;
  for (let at = 1_700_000_000_000; !isOver(); at += 1000) {
    const times = { created_at: at, updated_at: at + random(1000) };
    // The deleted stay deleted: there must always be others.
    const era = Math.max(0, Math.floor(batches / 40) - random(2));
    const user = () => `user_${era}_${random(40)}`;
    const items = Array.from({ length: 1 + random(4) }, () => {
      const id = user();
      const [org, what] = [`org_${era}_${random(6)}`, random(12)];
      const membership = {
        ...{ id: `orgmem_${era}_${random(60)}`, role: `org:${random(3)}`, organization: { id: org } },
        ...{ public_user_data: { user_id: user() }, ...times },
      };
      if (what === 0) return { users: [gone(id, "webhook", at + 500)] };
      if (what === 1 && random(4) === 0) return { organizations: [gone(org, "webhook", at + 500)] };
      if (what === 2) return { memberships: [gone(membership.id, "webhook", at + 500)] };
      if (what < 5) return { memberships: [membershipSnapshot(membership, "webhook", at)] };
      if (what === 5)
        return {
          organizations: [organizationSnapshot({ id: org, name: `N${at}`, ...times }, "webhook", at)],
        };
      const visit = { last_active_at: at, last_sign_in_at: at };
      const content = what < 9 ? { first_name: `Name ${random(1000)}` } : {};
      return { users: [userSnapshot(clerkUser({ id, ...times, ...visit, ...content }), "webhook", at)] };
    });
    await applyItems(sql, items, { lagMs: 0 });
    batches++;
  }
  return batches;
}

test("a copy that follows positions, times or deleted_users beside writers ends equal, deletions included", async ({
  db,
}: {
  db: TestDatabase;
}) => {
  const { sql } = db;
  const copies = { small: new Copy(sql), large: new Copy(sql), timed: new Copy(sql) };
  const steps = [
    byPosition(sql, copies.small, 7),
    byPosition(sql, copies.large, 1000),
    byTime(sql, copies.timed),
  ];
  const apart = deletionsByTheirView(sql);
  let isOver = false;
  const writing = Promise.all([1, 2, 3, 4].map((seed) => write(sql, seed * 7919, () => isOver)));
  const copying = [...steps, apart.step].map(async (step) => {
    while (!isOver) {
      await step();
      await setTimeout(5);
    }
  });
  const written = async () =>
    (
      await sql<{ type: string; n: number }[]>`select type, count(*)::int as n from mirror.changes group by 1`
    ).filter(({ n }) => n >= 5).length;
  // Of each kind of change some.
  await expect.poll(written, { timeout: 40_000 }).toBe(6);
  const memberships = async () => (await sql`select from mirror.organization_memberships limit 5`).length;
  await expect.poll(memberships, { timeout: 40_000 }).toBe(5);
  isOver = true;
  await writing;
  await Promise.all(copying);
  for (const step of steps) while ((await step()) > 0);
  await apart.step();

  const expected = await everything(sql);
  expect(expected.user?.size).toBeGreaterThan(10);
  expect(expected.membership?.size).toBeGreaterThan(0);
  for (const [name, copy] of Object.entries(copies)) expect([name, copy.rows]).toEqual([name, expected]);
  expect(apart.users).toEqual(expected.user);
});
