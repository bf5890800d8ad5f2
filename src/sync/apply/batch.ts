import type { Change } from "../../changes/feed.js";
import type { Tx } from "../../db/connection/sql.js";
import type { MembershipSnapshot, OrganizationSnapshot, UserSnapshot } from "../fold/snapshot.js";
import type { Delivery } from "../ledger/deliveries.js";
import type { Refetch, Settled } from "../ledger/refetch-queue.js";

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
export type RowChange = "created" | "updated" | "touched" | "deleted";

export interface Applied {
  /** One per item, in the items' order. */
  statuses: ItemStatus[];
  users: Map<string, RowChange>;
  organizations: Map<string, RowChange>;
  memberships: Map<string, RowChange>;
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
  effects: Map<string, RowChange>;
  /** Settles when the rows are written; nothing behind it waits, since a connection does one statement after another. */
  written: Promise<unknown>;
}
