import type { Counters } from "../../changes/counters.js";
import { publish } from "../../changes/feed.js";
import { noDayChanges } from "../../changes/history.js";
import { beginBatch, commitNow } from "../../db/connection/session.js";
import type { Sql, Tx } from "../../db/connection/sql.js";
import { claimDeliveries, markStale } from "../ledger/deliveries.js";
import { writeRefetches } from "../ledger/refetch-queue.js";
import type { Applied, ApplyOptions, Item, ItemStatus } from "./batch.js";
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
    existingUsers(tx, new Set(items.flatMap((item) => item.users?.map(({ id }) => id) ?? []))),
  ]);
  const of = <T>(pick: (item: Item) => readonly T[] | undefined) =>
    fresh.flatMap(([item, index]) => (pick(item) ?? []).map((snapshot) => ({ snapshot, item: index })));

  const users = await applyUsers(
    tx,
    of((item) => item.users),
    knownUsers,
    options,
  );
  const organizations = await applyOrganizations(
    tx,
    of((item) => item.organizations),
    options,
  );
  const memberships = await applyMemberships(
    tx,
    of((item) => item.memberships),
    options,
  );
  const all = [users, organizations, memberships];
  const statuses = items.map((): ItemStatus => "duplicate");
  for (const [, index] of fresh)
    statuses[index] = all.some((e) => e.appliedItems.has(index)) ? "applied" : "stale";
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
        [...all.flatMap((e) => e.refetches), ...fresh.flatMap(([item]) => item.refetches ?? [])],
      ),
      markStale(
        tx,
        fresh.flatMap(([item, index]) =>
          item.delivery?.outcome === "applied" && statuses[index] === "stale"
            ? [item.delivery.messageId]
            : [],
        ),
      ),
      publish(
        tx,
        all.flatMap((e) => e.changes),
        deltas,
        users.days ?? noDayChanges(),
      ),
    ],
  };
}

/** The items without a webhook, and those whose webhook is seen for the first time. Of repeats within the batch one counts. */
async function freshItems(tx: Tx, items: readonly Item[]): Promise<[Item, number][]> {
  const claimed = await claimDeliveries(
    tx,
    items.flatMap((item) => (item.delivery ? [item.delivery] : [])),
  );
  return items.flatMap((item, index): [Item, number][] => {
    if (!item.delivery) return [[item, index]];
    return claimed.delete(item.delivery.messageId) ? [[item, index]] : [];
  });
}
