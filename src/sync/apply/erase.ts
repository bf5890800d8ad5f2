import { moveCounters } from "../../changes/counters.js";
import { lockFeed } from "../../changes/feed.js";
import { textArray } from "../../db/connection/bulk.js";
import { NOTIFY_CHANNEL } from "../../db/connection/client.js";
import type { Sql, Tx } from "../../db/connection/sql.js";
import { DERIVED_TABLES, GROWING_TABLES } from "../../db/tables/registry.js";
import { sleep } from "../../lib/async.js";
import { AppError } from "../../lib/errors.js";
import { gone } from "../fold/snapshot.js";
import { type Removed, removeTraces } from "../ledger/traces.js";
import { applyItems } from "./apply.js";

/** Transactions that began before the tombstone may still store something. They are waited for, for so long. */
const WRITERS_MS = 10_000;
const LOOK_EVERY_MS = 50;

/**
 * Removes every trace of a user but a tombstone that nothing revives, and returns what was removed. Repeating is safe, and goes
 * on where an earlier call was cut off. Whether the user may be erased is the caller's to know. Throws `not_found` where the id
 * is that of something else.
 */
export async function eraseUser(
  sql: Sql,
  id: string,
  { lagMs, nowMs }: { lagMs: number; nowMs: number },
): Promise<Removed> {
  let rows: Removed = {};
  // From this commit on, whatever arrives of the user is stale.
  await applyItems(sql, [{ users: [{ ...gone(id, "refetch", nowMs), erases: true }] }], {
    lagMs,
    within: async (tx) => {
      rows = await rowsOf(tx, id);
    },
  });
  const [tombstone] = await sql`select from mirror_data.users where id = ${id} and erased`;
  if (!tombstone) throw new AppError("not_found", `${id} is no user's id.`);
  await untilEarlierWritersEnd(sql);
  const traces = (await sql.begin((tx) => removeRest(tx, id))) as Removed;
  await sql`select pg_notify(${NOTIFY_CHANNEL}, ${JSON.stringify({ ids: [id] })})`;
  // The planner's statistics hold values of columns, such as e-mail addresses.
  for (const table of Object.keys(GROWING_TABLES)) await sql.unsafe(`analyze mirror_data.${table}`);
  return { ...rows, ...traces };
}

/** Carries the tombstones of those who were erased through the emptying of the mirror. */
export async function keepErasures(tx: Tx): Promise<() => Promise<unknown>> {
  await tx`
    create temporary table erased on commit drop as
    select id, deleted_at, observed_at from mirror_data.users where erased`;
  return () =>
    tx`
    insert into mirror_data.users (id, deleted_at, observed_at, erased, number)
    select id, deleted_at, observed_at, true, null from erased`.execute();
}

/** How many rows the user has, and on how many days they were active. */
async function rowsOf(tx: Tx, id: string): Promise<Removed> {
  const count = async (statement: string) =>
    Number((await tx.unsafe<{ n: number }[]>(`select count(*) as n from ${statement}`, [id]))[0]?.n ?? 0);
  const removed: Removed = {
    users: await count("mirror_data.users where id = $1 and payload is not null"),
  };
  for (const [table, key] of Object.entries(DERIVED_TABLES)) {
    removed[table] = await count(`mirror_data.${table} where ${key} = $1`);
  }
  removed.active_days = await count(
    `mirror_data.active_days a join mirror_data.users u on u.id = $1 and a.chunk = u.number / 1024
    where get_bit(a.bits, u.number % 1024) = 1`,
  );
  return removed;
}

async function untilEarlierWritersEnd(sql: Sql): Promise<void> {
  const [own] = await sql<{ xid: string }[]>`select pg_current_xact_id()::text as xid`;
  const untilMs = performance.now() + WRITERS_MS;
  while (performance.now() < untilMs) {
    const [{ ended } = { ended: true }] = await sql<{ ended: boolean }[]>`
      select pg_snapshot_xmin(pg_current_snapshot()) > ${own?.xid ?? "0"}::text::xid8 as ended`;
    if (ended) return;
    await sleep(LOOK_EVERY_MS);
  }
}

/** In the order in which everybody locks. */
async function removeRest(tx: Tx, id: string): Promise<Removed> {
  const memberships = await tx<{ id: string }[]>`
    select id from mirror_data.organization_memberships where user_id = ${id} order by id`;
  const ids = memberships.map((membership) => membership.id);
  const traces = await removeTraces(tx, id, ids);
  for (const [table, key] of Object.entries(DERIVED_TABLES)) {
    await tx.unsafe(`delete from mirror_data.${table} where ${key} = $1`, [id]);
  }
  const removed = await tx<{ is_live: boolean }[]>`
    delete from mirror_data.organization_memberships where id = any(${textArray(ids)}::text::text[])
    returning payload is not null as is_live`;
  await lockFeed(tx);
  const live = removed.filter(({ is_live }) => is_live).length;
  await Promise.all(moveCounters(tx, { users: 0, organizations: 0, memberships: -live }));
  return { organization_memberships: removed.length, ...traces };
}
