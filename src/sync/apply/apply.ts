import { type Change, type CounterDeltas, publish } from "../../changes/feed.js";
import { limitLocks } from "../../db/connection/session.js";
import type { Sql, Tx } from "../../db/connection/sql.js";
import type { MembershipSnapshot, OrganizationSnapshot, UserSnapshot } from "../fold/snapshot.js";
import { claimDeliveries, type Delivery, markStale } from "../ledger/deliveries.js";
import { type Refetch, type Settled, writeRefetches } from "../ledger/refetch-queue.js";
import { applyMemberships, applyOrganizations } from "./organizations.js";
import { applyUsers, existingUsers } from "./users.js";

/** What one webhook, one answer of Clerk, or one row of a page says. */
export interface Item {
  delivery?: Delivery;
  users?: readonly UserSnapshot[];
  organizations?: readonly OrganizationSnapshot[];
  memberships?: readonly MembershipSnapshot[];
  /** Ids to ask Clerk about, whatever the fold says. */
  refetches?: readonly Refetch[];
}

/** `duplicate`: a message seen before. `stale`: older than what is stored, nothing changed. */
export type ItemStatus = "applied" | "stale" | "duplicate";

/** How what is readable changed. `touched`: no more than its times of activity or its lock. */
export type Effect = "created" | "updated" | "touched" | "deleted";

export interface Applied {
  /** One per item, in the items' order. */
  statuses: ItemStatus[];
  users: Map<string, Effect>;
  organizations: Map<string, Effect>;
  memberships: Map<string, Effect>;
}

export interface ApplyOptions {
  /** How far Clerk's lists may trail its writes: what contradicts a tombstone must be that much younger. */
  lagMs: number;
  /** Runs first in the transaction: a walk that lost its lease writes nothing. */
  fence?: (tx: Tx) => Promise<void>;
  /** Runs in the transaction: a walk's checkpoint commits with its rows or not at all. */
  within?: (tx: Tx) => Promise<void>;
  /** Told before this returns, so that no answer is given while an older state is still served from memory. */
  onCommitted?: OnCommitted | undefined;
  /** How long each lock is waited for. Then a lock's timeout is thrown, and nothing is stored. */
  lockTimeoutMs?: number;
  /** Does everything and takes it back: what is returned is what would have been. */
  dryRun?: boolean;
}

/** What of a commit is readable now, and was not before. */
export type OnCommitted = (applied: Applied) => void;

/** A snapshot and the index of the item it came in. */
export interface Incoming<S> {
  snapshot: S;
  item: number;
}

/** What the three appliers give back to the transaction. */
export interface Effects {
  /** The items that said something newer than what was stored. */
  appliedItems: Set<number>;
  changes: Change[];
  /** How many more are live than before. */
  delta: number;
  refetches: Refetch[];
  settled: Settled[];
  effects: Map<string, Effect>;
  /** Settles when the rows are written; nothing behind it waits, since a connection does one statement after another. */
  written: Promise<unknown>;
}

/**
 * The only writer of users, organizations and memberships: one transaction, all or nothing, safe to repeat. Locks are
 * taken in one order everywhere (deliveries, users, organizations, memberships, feed; each sorted by id), so that
 * concurrent batches wait for each other and never deadlock. When this returns, everything is committed.
 */
export async function applyItems(sql: Sql, items: readonly Item[], options: ApplyOptions): Promise<Applied> {
  try {
    const applied = (await sql.begin(async (tx) => {
      const effects = await applyWithin(tx, items, options);
      if (options.dryRun) throw new TakenBack(effects);
      return effects;
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

/** For one thing alone, which whoever asked for it repeats. */
const LOCK_TIMEOUT_MS = 2000;

async function applyWithin(tx: Tx, items: readonly Item[], options: ApplyOptions): Promise<Applied> {
  limitLocks(tx, options.lockTimeoutMs ?? LOCK_TIMEOUT_MS);
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
  await writeRefetches(
    tx,
    all.flatMap((e) => e.settled),
    [...all.flatMap((e) => e.refetches), ...fresh.flatMap(([item]) => item.refetches ?? [])],
  );

  const statuses = items.map((): ItemStatus => "duplicate");
  for (const [, index] of fresh)
    statuses[index] = all.some((e) => e.appliedItems.has(index)) ? "applied" : "stale";
  await markStale(
    tx,
    fresh.flatMap(([item, index]) =>
      item.delivery?.outcome === "applied" && statuses[index] === "stale" ? [item.delivery.messageId] : [],
    ),
  );
  const deltas: CounterDeltas = {
    users: users.delta,
    organizations: organizations.delta,
    memberships: memberships.delta,
  };
  await Promise.all([
    ...all.map((e) => e.written),
    publish(
      tx,
      all.flatMap((e) => e.changes),
      deltas,
    ),
  ]);
  return {
    statuses,
    users: users.effects,
    organizations: organizations.effects,
    memberships: memberships.effects,
  };
}

/** The items that are no webhook, or a webhook seen for the first time; a repeat within the batch counts once. */
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
