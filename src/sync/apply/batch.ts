import type { Change } from "../../changes/feed.js";
import type { DayChanges } from "../../changes/history.js";
import type { Tx } from "../../db/connection/sql.js";
import type { MembershipSnapshot, OrganizationSnapshot, UserSnapshot } from "../fold/snapshot.js";
import type { Delivery } from "../ledger/deliveries.js";
import type { Refetch, Settled } from "../ledger/refetch-queue.js";

/** What one webhook, one answer from Clerk, or one row of a page says. */
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

/** How something that callers can read changed. `touched`: only its times of activity or its lock did. */
export type RowChange = "created" | "updated" | "touched" | "deleted";

export interface Applied {
  /** One per item, in the items' order. */
  statuses: ItemStatus[];
  users: Map<string, RowChange>;
  organizations: Map<string, RowChange>;
  memberships: Map<string, RowChange>;
}

export interface ApplyOptions {
  /** How far Clerk's lists may be behind its writes. What contradicts a tombstone must be younger than it by more than that. */
  lagMs: number;
  /** Runs first in the transaction, so that a walk that has lost its lease writes nothing. */
  fence?: (tx: Tx) => Promise<void>;
  /** Runs in the transaction, so that a walk's checkpoint commits together with its rows, or not at all. */
  within?: (tx: Tx) => Promise<void>;
  /** Called before this returns, so that nobody is answered while the cache still serves the older state. */
  onCommitted?: OnCommitted | undefined;
  /** How long to wait for each lock. After that a lock timeout is thrown, and nothing is stored. */
  lockTimeoutMs?: number;
  /** Does everything, rolls it back, and returns what would have been applied. */
  dryRun?: boolean;
}

/** Is told what a commit has changed. */
export type OnCommitted = (applied: Applied) => void;

/** A snapshot and the index of the item it came in. */
export interface Incoming<S> {
  snapshot: S;
  item: number;
}

/** What `applyUsers`, `applyOrganizations` and `applyMemberships` return to the transaction. */
export interface Effects {
  /** The items that said something newer than what was stored. */
  appliedItems: Set<number>;
  changes: Change[];
  /** By how much the number of live objects has grown. */
  delta: number;
  refetches: Refetch[];
  settled: Settled[];
  rowChanges: Map<string, RowChange>;
  /** Absent: objects of whom no days are kept. */
  days?: DayChanges;
  /** Settles when the rows are written. Later statements needn't wait for it: a connection runs one after another. */
  written: Promise<unknown>;
}
