import type { Change } from "../../changes/feed.js";
import type { Json } from "../../clerk.js";
import type { Tx } from "../../db/connection/sql.js";
import { createPause } from "../../lib/turns.js";
import { type Folded, fold, type Kind, type State, UNKNOWN } from "../fold/fold.js";
import type { Activity, Gone, Live } from "../fold/snapshot.js";
import type { Refetch, RefetchKind } from "../ledger/refetch-queue.js";
import type { Effects, Incoming, RowChange } from "./batch.js";
import { idsOfOtherKinds } from "./other-kinds.js";
import type { StoredRow } from "./tables.js";

type Snapshot = Live<Json> | Gone | Activity;

/** What differs between users, organizations and memberships when they are folded. */
export interface FoldTable<R extends StoredRow> {
  kind: Kind;
  /** What the change feed calls it. */
  name: "user" | "organization" | "membership";
  /** The kind under which its refetches are queued. Null: Clerk can't be asked for one of this kind by its id. */
  refetch: RefetchKind | null;
  existing(tx: Tx, ids: readonly string[]): Promise<Iterable<string>>;
  /** Inserts the rows that are still unknown and returns their ids. The rows come sorted. */
  insert(tx: Tx, rows: readonly R[]): Promise<Iterable<string>>;
  /** Locks in id order, then reads; the ids come sorted. */
  lock(tx: Tx, ids: readonly string[]): Promise<{ row: R; state: State }[]>;
  /**
   * Writes the rows that existed before, and what follows from all written rows, in one round trip. Resolves as soon as the
   * statements are sent: the feed's lock is taken behind them, and whoever holds that lock must have nothing left to compute.
   */
  write(tx: Tx, known: readonly R[], outcomes: readonly Outcome<R>[]): Promise<Writing>;
  rowOf(id: string, state: State): R;
}

/** `written` settles when Postgres has written the rows. */
export interface Writing {
  written: Promise<unknown>;
}

/** One id after the fold: its row before (null: inserted now) and after. */
export interface Outcome<R> {
  id: string;
  before: R | null;
  after: R;
}

export interface FoldedRows<R> extends Effects {
  /** The rows that were written. */
  outcomes: Outcome<R>[];
  /** The tombstones that a snapshot contradicted. */
  contradicted: R[];
}

/**
 * Folds what came in into what is stored, and writes the rows that differ. It decides on locked rows only: with rows from an
 * earlier read, another batch's update could get lost. New ids are inserted before known ones are locked, both in the order
 * of ids, so that batches with common ids wait for each other and never deadlock.
 */
export async function foldLocked<R extends StoredRow>(
  tx: Tx,
  table: FoldTable<R>,
  incoming: readonly Incoming<Snapshot>[],
  lagMs: number,
): Promise<FoldedRows<R>> {
  const result: FoldedRows<R> = {
    outcomes: [],
    contradicted: [],
    appliedItems: new Set(),
    changes: [],
    delta: 0,
    written: Promise.resolve(),
    refetches: [],
    settled: [],
    rowChanges: new Map(),
  };
  if (incoming.length === 0) return result;
  const byId = grouped(incoming);
  const ids = [...byId.keys()].sort();
  const known = new Set(await table.existing(tx, ids));

  // A single user can have a mebibyte, which takes as long to hash and print as four hundred ordinary users.
  const pauseFresh = createPause();
  const fresh: FoldedId[] = [];
  for (const id of ids) {
    if (known.has(id)) continue;
    fresh.push(foldAll(table.kind, UNKNOWN, byId.get(id) ?? [], lagMs, id));
    await pauseFresh();
  }
  const unheardOf = fresh.filter(({ state }) => state.content === null && state.goneAtMs !== null);
  const foreign = await idsOfOtherKinds(
    tx,
    table.name,
    unheardOf.map(({ id }) => id),
  );
  for (const one of unheardOf) if (foreign.has(one.id)) one.appliedItems = [];
  const rows = new Map<string, R>();
  for (const { id, state } of fresh) {
    if (foreign.has(id) || (state.content === null && state.goneAtMs === null)) continue;
    rows.set(id, table.rowOf(id, state));
    await pauseFresh();
  }
  const inserted = new Set(rows.size > 0 ? await table.insert(tx, [...rows.values()]) : []);
  for (const one of fresh) {
    // Another session has inserted it meanwhile, so it is locked and folded again like every known id.
    if (rows.has(one.id) && !inserted.has(one.id)) known.add(one.id);
    else record(table, result, one, null, rows.get(one.id) ?? null);
  }

  const locked = known.size > 0 ? await table.lock(tx, [...known].sort()) : [];
  const pauseLocked = createPause();
  const changed: R[] = [];
  for (const { row, state } of locked) {
    const one = foldAll(table.kind, state, byId.get(row.id) ?? [], lagMs, row.id);
    await pauseLocked();
    const after = one.appliedItems.length > 0 ? table.rowOf(row.id, one.state) : null;
    if (after) changed.push(after);
    record(table, result, one, row, after);
    await pauseLocked();
  }
  if (result.outcomes.length > 0) {
    result.written = (await table.write(tx, changed, result.outcomes)).written;
    // The caller awaits it and sees its error. If the transaction fails before that, nobody does.
    result.written.catch(() => {});
  }
  return result;
}

interface FoldedId {
  id: string;
  state: State;
  appliedItems: number[];
  reasons: Set<NonNullable<Folded["refetch"]>>;
  settledAtMs: number | null;
}

function foldAll(
  kind: Kind,
  start: State,
  incoming: readonly Incoming<Snapshot>[],
  lagMs: number,
  id: string,
): FoldedId {
  const folded: FoldedId = { id, state: start, appliedItems: [], reasons: new Set(), settledAtMs: null };
  for (const { snapshot, item } of incoming) {
    const { state, outcome, refetch } = fold(kind, folded.state, snapshot, lagMs);
    folded.state = state;
    if (outcome === "applied") folded.appliedItems.push(item);
    if (refetch) folded.reasons.add(refetch);
    if (snapshot.source === "refetch") {
      folded.settledAtMs = Math.max(folded.settledAtMs ?? 0, snapshot.observedAtMs);
    }
  }
  return folded;
}

function record<R extends StoredRow>(
  table: FoldTable<R>,
  result: FoldedRows<R>,
  folded: FoldedId,
  before: R | null,
  after: R | null,
): void {
  const { id } = folded;
  for (const item of folded.appliedItems) result.appliedItems.add(item);
  if (folded.settledAtMs !== null && table.refetch) {
    result.settled.push({ kind: table.refetch, id, startedAtMs: folded.settledAtMs });
  }
  for (const reason of folded.reasons) {
    if (reason === "contradicted") {
      if (before) result.contradicted.push(before);
    } else if (table.refetch) {
      result.refetches.push({ kind: table.refetch, id, reason } satisfies Refetch);
    }
  }
  if (!after) return;
  result.outcomes.push({ id, before, after });
  result.delta += Number(after.payload !== null) - Number(isLive(before));
  const effect = rowChangeOf(before, after);
  if (!effect) return;
  result.rowChanges.set(id, effect);
  result.changes.push(changeOf(table.name, after));
}

const isLive = (row: StoredRow | null) => row !== null && row.payload !== null;

/** The change that a reader can notice. Null for a row that was only seen again: it is written, but not announced. */
function rowChangeOf(before: StoredRow | null, after: StoredRow): RowChange | null {
  if (after.payload === null) return isLive(before) || before === null ? "deleted" : null;
  if (!before || before.payload === null) return "created";
  if (before.payload_hash !== after.payload_hash || before.private_metadata !== after.private_metadata)
    return "updated";
  return before.payload !== after.payload || lockOf(before) !== lockOf(after) ? "touched" : null;
}

const lockOf = (row: StoredRow & { locked_until?: number | null }) => row.locked_until ?? null;

function changeOf(name: FoldTable<StoredRow>["name"], row: StoredRow): Change {
  return {
    type: `${name}.${row.payload === null ? "deleted" : "upserted"}`,
    id: row.id,
    updatedAtMs: row.updated_at,
  };
}

function grouped(incoming: readonly Incoming<Snapshot>[]): Map<string, Incoming<Snapshot>[]> {
  const byId = new Map<string, Incoming<Snapshot>[]>();
  for (const one of incoming) {
    const list = byId.get(one.snapshot.id);
    if (list) list.push(one);
    else byId.set(one.snapshot.id, [one]);
  }
  return byId;
}
