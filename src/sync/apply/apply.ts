import type { Counters } from "../../changes/counters.js";
import { publish } from "../../changes/feed.js";
import { noDayChanges } from "../../changes/history.js";
import { beginBatch, commitNow } from "../../db/connection/session.js";
import type { Sql, Tx } from "../../db/connection/sql.js";
import { claimDeliveries, type Delivery, markStale } from "../ledger/deliveries.js";
import { writeRefetches } from "../ledger/refetch-queue.js";
import type { Applied, ApplyOptions, Incoming, Item, ItemStatus } from "./batch.js";
import { applyMemberships, applyOrganizations } from "./organizations.js";
import { applyUsers, existingUsers } from "./users.js";

/**
 * The only writer of users, organizations and memberships: one transaction, all or nothing, safe to repeat. Locks are
 * taken in one order everywhere (deliveries, users, organizations, memberships, feed; each sorted by id), so that
 * concurrent batches wait for each other and never deadlock. When this returns, everything is committed.
 */
export async function applyItems(sql: Sql, items: readonly Item[], options: ApplyOptions): Promise<Applied> {
  try {
    const applied = (await sql.begin(async (tx) => {
      const { applied, sent } = await applyWithin(tx, items, options);
      if (options.dryRun) {
        await Promise.all(sent);
        throw new TakenBack(applied);
      }
      // Sent without waiting for the statements before it, so that the feed's lock is held for the commit alone. Where one of
      // them fails, Postgres rolls back.
      await Promise.all([...sent, commitNow(tx)]);
      return applied;
    })) as Applied;
    options.onCommitted?.(applied);
    return applied;
  } catch (error) {
    if (error instanceof TakenBack) return error.applied;
    throw error;
  }
}

/** Thrown to roll a dry run's transaction back. */
class TakenBack {
  constructor(readonly applied: Applied) {}
}

/** Where the options don't say otherwise, for a single item: who asked for it repeats it. */
const LOCK_TIMEOUT_MS = 2000;

/** What was done, and the statements that were sent but aren't answered yet. */
interface Sent {
  applied: Applied;
  sent: Promise<unknown>[];
}

async function applyWithin(tx: Tx, items: readonly Item[], options: ApplyOptions): Promise<Sent> {
  beginBatch(tx, options.lockTimeoutMs ?? LOCK_TIMEOUT_MS);
  await options.fence?.(tx);
  await options.within?.(tx);
  const [fresh, knownUsers] = await Promise.all([
    freshItems(tx, items),
    existingUsers(tx, usersNamedIn(items)),
  ]);
  const users = await applyUsers(tx, incomingIn(fresh, "users"), knownUsers, options);
  const organizations = await applyOrganizations(tx, incomingIn(fresh, "organizations"), options);
  const memberships = await applyMemberships(tx, incomingIn(fresh, "memberships"), options);
  const all = [users, organizations, memberships];
  const statuses: ItemStatus[] = Array(items.length).fill("duplicate");
  const refetches = all.flatMap((e) => e.refetches);
  const stale: string[] = [];
  for (const [{ delivery, refetches: own = [] }, index] of fresh) {
    const isApplied =
      users.appliedItems.has(index) ||
      organizations.appliedItems.has(index) ||
      memberships.appliedItems.has(index);
    statuses[index] = isApplied ? "applied" : "stale";
    if (!isApplied && delivery?.outcome === "applied") stale.push(delivery.messageId);
    refetches.push(...own);
  }
  const deltas: Counters = {
    users: users.delta,
    organizations: organizations.delta,
    memberships: memberships.delta,
  };
  return {
    applied: {
      statuses,
      users: users.rowChanges,
      organizations: organizations.rowChanges,
      memberships: memberships.rowChanges,
    },
    // Postgres runs them in this order, each behind the rows that were written before.
    sent: [
      ...all.map((e) => e.written),
      writeRefetches(
        tx,
        all.flatMap((e) => e.settled),
        refetches,
      ),
      markStale(tx, stale),
      publish(
        tx,
        all.flatMap((e) => e.changes),
        deltas,
        users.days ?? noDayChanges(),
      ),
    ],
  };
}

type Indexed = readonly [item: Item, index: number];

/** The items without a webhook, and those whose webhook is seen for the first time. Of repeats within the batch one counts. */
async function freshItems(tx: Tx, items: readonly Item[]): Promise<Indexed[]> {
  const deliveries: Delivery[] = [];
  for (const { delivery } of items) if (delivery) deliveries.push(delivery);
  const claimed = await claimDeliveries(tx, deliveries);
  const fresh: Indexed[] = [];
  for (const [index, item] of items.entries()) {
    if (!item.delivery || claimed.delete(item.delivery.messageId)) fresh.push([item, index]);
  }
  return fresh;
}

function usersNamedIn(items: readonly Item[]): Set<string> {
  const ids = new Set<string>();
  for (const { users = [] } of items) for (const { id } of users) ids.add(id);
  return ids;
}

type Kinds = Required<Pick<Item, "users" | "organizations" | "memberships">>;

/** The snapshots of one kind, each with the index of its item. */
function incomingIn<K extends keyof Kinds>(fresh: readonly Indexed[], kind: K): Incoming<Kinds[K][number]>[] {
  const incoming: Incoming<Kinds[K][number]>[] = [];
  for (const [items, item] of fresh)
    for (const snapshot of items[kind] ?? []) incoming.push({ snapshot, item });
  return incoming;
}
