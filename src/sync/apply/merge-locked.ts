import type { Change } from "../../changes/feed.js";
import type { Json } from "../../clerk.js";
import type { Tx } from "../../db/connection/sql.js";
import { createPause } from "../../lib/turns.js";
import { type Folded, fold, type Kind, type State, UNKNOWN } from "../fold/fold.js";
import type { Activity, Gone, Live } from "../fold/snapshot.js";
import { ALL_VISITS, type Refetch, type RefetchKind, type Visit } from "../ledger/refetch-queue.js";
import type { Effects, Incoming, RowChange } from "./batch.js";
import { idsOfOtherKinds } from "./other-kinds.js";
import { isLive } from "./rows.js";
import type { StoredRow } from "./tables.js";

type Snapshot = Live<Json> | Gone | Activity;

/** A row that is locked, and what it says. */
export interface Locked<R> {
  row: R;
  state: State;
}

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
  lock(tx: Tx, ids: readonly string[]): Promise<Locked<R>[]>;
  /** `before`: the row that there is. */
  rowOf(id: string, state: State, before: R | null, told: Told): R;
  /** The row where all snapshots have lost, and yet it says more now. Null: it says the same. Absent: rows always do. */
  completed?(row: R, told: Told): R | null;
  /** What a snapshot tells the history of days. Absent: there is none. */
  daysIn?(snapshot: Snapshot): DaysIn;
  /** The row where nothing but times has changed. Null: it must be written whole. Absent: rows always are. */
  touched?(row: R, before: State, after: State): R | null;
  /** Reads what `lock` leaves unread, into these rows. Absent: it leaves nothing. */
  load?(tx: Tx, rows: readonly R[]): Promise<void>;
  /**
   * Writes the rows that existed before, and what follows from all written rows, in one round trip. Resolves as soon as the
   * statements are sent: the feed's lock is taken behind them, and whoever holds that lock must have nothing left to compute.
   */
  write(tx: Tx, outcomes: readonly Outcome<R>[]): Promise<Writing>;
}

/** Days since 1970: on which its user was active, and was created; null: it doesn't say. */
export interface DaysIn {
  active: readonly number[];
  created: number | null;
}

/** The same of all snapshots of one id, whether they won or lost. Who is gone was never active. */
export interface Told {
  active: Set<number>;
  created: number | null;
  /** It was a tombstone meanwhile. */
  isReborn: boolean;
}

/** The days that snapshots told of one id, whether they won or lost; `row` is the row after the fold. */
export interface ActiveOn<R> {
  before: R | null;
  row: R;
  days: ReadonlySet<number>;
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
  /** Nothing but times has changed. */
  isTouched: boolean;
}

export interface FoldedRows<R> extends Effects {
  /** The rows that were written. */
  outcomes: Outcome<R>[];
  active: ActiveOn<R>[];
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
    active: [],
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
  const unknown: string[] = [];
  for (const id of ids) if (!known.has(id)) unknown.push(id);
  // Another session may have inserted some of them meanwhile: these are locked and folded again like every known id.
  for (const id of await insertUnknown(tx, table, byId, lagMs, { ids: unknown, result })) known.add(id);
  if (known.size > 0) {
    const locked = await table.lock(tx, [...known].sort());
    await changeKnown(tx, table, byId, lagMs, { locked, result });
  }
  if (result.outcomes.length > 0) {
    result.written = (await table.write(tx, result.outcomes)).written;
    // The caller awaits it and sees its error. If the transaction fails before that, nobody does.
    result.written.catch(() => {});
  }
  return result;
}

type ById = ReadonlyMap<string, Incoming<Snapshot>[]>;

// A single user can have a mebibyte, which takes as long to hash and print as four hundred ordinary users.

/** Returns the ids that another session has inserted. */
async function insertUnknown<R extends StoredRow>(
  tx: Tx,
  table: FoldTable<R>,
  byId: ById,
  lagMs: number,
  { ids, result }: { ids: readonly string[]; result: FoldedRows<R> },
): Promise<string[]> {
  const pause = createPause();
  const fresh: FoldedId[] = [];
  for (const id of ids) {
    fresh.push(foldAll(table, UNKNOWN, byId.get(id) ?? [], lagMs, id));
    await pause();
  }
  const unheardOf = fresh.filter(({ state }) => state.content === null && state.goneAtMs !== null);
  const foreign = await idsOfOtherKinds(
    tx,
    table.name,
    unheardOf.map(({ id }) => id),
  );
  for (const one of unheardOf) if (foreign.has(one.id)) one.appliedItems = [];
  const rows = new Map<string, R>();
  for (const { id, state, told } of fresh) {
    if (foreign.has(id) || (state.content === null && state.goneAtMs === null)) continue;
    rows.set(id, table.rowOf(id, state, null, told));
    await pause();
  }
  const inserted = new Set(rows.size > 0 ? await table.insert(tx, [...rows.values()]) : []);
  const overtaken = new Set([...rows.keys()].filter((id) => !inserted.has(id)));
  for (const one of fresh) {
    if (!overtaken.has(one.id)) record(table, result, one, { before: null, after: rows.get(one.id) ?? null });
  }
  return [...overtaken];
}

async function changeKnown<R extends StoredRow>(
  tx: Tx,
  table: FoldTable<R>,
  byId: ById,
  lagMs: number,
  { locked, result }: { locked: readonly Locked<R>[]; result: FoldedRows<R> },
): Promise<void> {
  const pause = createPause();
  const folded: { one: FoldedId; row: R; touched: R | null; isRewritten: boolean }[] = [];
  const needed: R[] = [];
  for (const { row, state } of locked) {
    const one = foldAll(table, state, byId.get(row.id) ?? [], lagMs, row.id);
    const isApplied = one.appliedItems.length > 0;
    const touched = isApplied && !one.told.isReborn ? (table.touched?.(row, state, one.state) ?? null) : null;
    const isRewritten = isApplied && touched === null;
    folded.push({ one, row, touched, isRewritten });
    if (isRewritten && one.state.content && isLive(row)) needed.push(row);
    await pause();
  }
  if (needed.length > 0) await table.load?.(tx, needed);
  for (const { one, row, touched, isRewritten } of folded) {
    const after = isRewritten
      ? table.rowOf(row.id, one.state, row, one.told)
      : (touched ?? table.completed?.(row, one.told) ?? null);
    record(table, result, one, { before: row, after, isTouched: touched !== null });
    await pause();
  }
}

interface FoldedId {
  id: string;
  state: State;
  appliedItems: number[];
  reasons: Set<NonNullable<Folded["refetch"]>>;
  settledAtMs: number | null;
  /** How many visits that waited for an answer came with it. */
  settledVisits: number;
  /** Visits of a user who wasn't known when they came. */
  unplaced: Visit[];
  told: Told;
}

function foldAll<R extends StoredRow>(
  { kind, daysIn }: Pick<FoldTable<R>, "kind" | "daysIn">,
  start: State,
  incoming: readonly Incoming<Snapshot>[],
  lagMs: number,
  id: string,
): FoldedId {
  const told: Told = { active: new Set(), created: null, isReborn: false };
  const folded: FoldedId = {
    id,
    state: start,
    appliedItems: [],
    reasons: new Set(),
    settledAtMs: null,
    settledVisits: 0,
    unplaced: [],
    told,
  };
  for (const { snapshot, item } of incoming) {
    if (snapshot.kind === "activity" && folded.state === UNKNOWN)
      folded.unplaced.push([snapshot.lastActiveAtMs, snapshot.lastSignInAtMs]);
    const { state, outcome, refetch } = fold(kind, folded.state, snapshot, lagMs);
    folded.state = state;
    if (outcome === "applied") folded.appliedItems.push(item);
    if (refetch) folded.reasons.add(refetch);
    const days = daysIn?.(snapshot);
    told.created ??= days?.created ?? null;
    for (const day of days?.active ?? []) told.active.add(day);
    if (state.goneAtMs !== null) {
      told.active.clear();
      told.isReborn = true;
      folded.unplaced = [];
    }
    if (snapshot.source === "refetch") {
      folded.settledAtMs = Math.max(folded.settledAtMs ?? 0, snapshot.observedAtMs);
      if (snapshot.kind === "activity") folded.settledVisits++;
      if (snapshot.kind === "gone") folded.settledVisits = ALL_VISITS;
    }
  }
  return folded;
}

function record<R extends StoredRow>(
  table: FoldTable<R>,
  result: FoldedRows<R>,
  folded: FoldedId,
  { before, after, isTouched = false }: { before: R | null; after: R | null; isTouched?: boolean },
): void {
  const { id } = folded;
  for (const item of folded.appliedItems) result.appliedItems.add(item);
  if (folded.settledAtMs !== null && table.refetch) {
    const { settledAtMs: startedAtMs, settledVisits: visitsGiven } = folded;
    result.settled.push({ kind: table.refetch, id, startedAtMs, visitsGiven });
  }
  for (const reason of folded.reasons) {
    if (reason === "contradicted") {
      if (before) result.contradicted.push(before);
    } else if (table.refetch) {
      const visits = reason === "activity_only" ? folded.unplaced : [];
      result.refetches.push({ kind: table.refetch, id, reason, visits } satisfies Refetch);
    }
  }
  const row = after ?? before;
  const days = folded.told.active;
  if (row && days.size > 0) result.active.push({ before, row, days });
  if (!after) return;
  result.outcomes.push({ id, before, after, isTouched });
  result.delta += Number(isLive(after)) - Number(isLive(before));
  const effect = rowChangeOf(before, after);
  if (!effect) return;
  result.rowChanges.set(id, effect);
  result.changes.push(changeOf(table.name, after));
}

/** The change that a reader can notice. Null for a row that was only seen again: it is written, but not announced. */
function rowChangeOf(before: StoredRow | null, after: StoredRow): RowChange | null {
  if (!isLive(after)) return isLive(before) || before === null ? "deleted" : null;
  if (!before || !isLive(before)) return "created";
  if (before.payload_hash !== after.payload_hash || before.private_metadata !== after.private_metadata)
    return "updated";
  return before.payload !== after.payload || !isShownAlike(before, after) ? "touched" : null;
}

/** Whether what is shown of two rows beside their payloads is the same. */
const isShownAlike = (one: ShownApart, other: ShownApart) =>
  one.updated_at === other.updated_at &&
  one.last_active_at === other.last_active_at &&
  one.last_sign_in_at === other.last_sign_in_at &&
  one.locked_until === other.locked_until;

interface ShownApart extends StoredRow {
  last_active_at?: number | null;
  last_sign_in_at?: number | null;
  locked_until?: number | null;
}

function changeOf(name: FoldTable<StoredRow>["name"], row: StoredRow): Change {
  return {
    type: `${name}.${isLive(row) ? "upserted" : "deleted"}`,
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
