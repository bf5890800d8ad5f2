import { textArray } from "../../db/connection/bulk.js";
import { limitLocks } from "../../db/connection/session.js";
import type { Sql } from "../../db/connection/sql.js";
import type { Item } from "./batch.js";

/** The keys of all rows that an item writes. Another item with one of them may have to wait for this one. */
export function keysOf(item: Item): string[] {
  const { delivery, users = [], organizations = [], memberships = [], refetches = [] } = item;
  const ids = [...users, ...organizations, ...memberships, ...refetches].map(({ id }) => id);
  return delivery ? [delivery.messageId, ...ids] : ids;
}

/** `skip locked` passes over locked rows, so that only a lock on a whole table can make it wait. */
const LOOK_TIMEOUT_MS = 100;

/**
 * The ids of the users, organizations and memberships that another session has locked at this moment, by item. Rows that
 * don't exist yet, and whatever else an item writes, are not checked. Throws a lock timeout if a whole table is locked.
 */
export async function lockedAmong(sql: Sql, items: readonly Item[]): Promise<Map<Item, string[]>> {
  const idsOf = (pick: (item: Item) => readonly { id: string }[] | undefined) =>
    textArray([...new Set(items.flatMap((item) => pick(item)?.map(({ id }) => id) ?? []))].sort());
  const locked = (await sql.begin(async (tx) => {
    limitLocks(tx, LOOK_TIMEOUT_MS);
    const found = await Promise.all([
      tx<{ id: string }[]>`
        with asked as (select unnest(${idsOf((item) => item.users)}::text::text[]) as id),
          free as (select u.id from mirror_data.users u join asked using (id) for update of u skip locked)
        select u.id from mirror_data.users u join asked using (id) where u.id not in (select id from free)`,
      tx<{ id: string }[]>`
        with asked as (select unnest(${idsOf((item) => item.organizations)}::text::text[]) as id),
          free as (select o.id from mirror_data.organizations o join asked using (id) for update of o skip locked)
        select o.id from mirror_data.organizations o join asked using (id) where o.id not in (select id from free)`,
      tx<{ id: string }[]>`
        with asked as (select unnest(${idsOf((item) => item.memberships)}::text::text[]) as id),
          free as (
            select m.id from mirror_data.organization_memberships m join asked using (id) for update of m skip locked)
        select m.id from mirror_data.organization_memberships m join asked using (id)
        where m.id not in (select id from free)`,
    ]);
    return new Set(found.flatMap((rows) => rows.map(({ id }) => id)));
  })) as Set<string>;
  const byItem = items.map((item) => [item, keysOf(item).filter((key) => locked.has(key))] as const);
  return new Map(byItem.filter(([, ids]) => ids.length > 0));
}
