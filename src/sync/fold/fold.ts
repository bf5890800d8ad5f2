import type { Json } from "../../clerk.js";
import { LOCKED_FOR_EVER } from "../../lib/lockout.js";
import { contentHash } from "./content-hash.js";
import { type Activity, type Gone, type Live, RANK } from "./snapshot.js";

/**
 * Where a snapshot stands in the total order of one id, as text that compares like it:
 * `(updated_at, source rank, observed_at, content hash)`.
 */
export type OrderKey = string;

/** A member that not every source knows: it keeps the value of the greatest snapshot that spoke of it. */
export interface Kept {
  order: OrderKey;
  value: unknown;
}

export interface Content {
  order: OrderKey;
  updatedAtMs: number;
  observedAtMs: number;
  rank: number;
  hash: string;
  /** The winner's JSON object as Clerk sent it. Lazily parsed for a stored row. */
  object: () => Json;
  kept: Partial<Record<KeptField, Kept>>;
  /** The greatest seen, also from snapshots that lost. */
  lastActiveAtMs: number | null;
  lastSignInAtMs: number | null;
  lockedUntilMs: number | null;
}

export type KeptField = "private_metadata" | "scim";

/** Everything known about one id. Neither content nor tombstone: never seen. */
export interface State {
  content: Content | null;
  goneAtMs: number | null;
  erased: boolean;
}

export const UNKNOWN: State = { content: null, goneAtMs: null, erased: false };

/** What the three kinds of objects do differently. */
export interface Kind {
  /**
   * Left out of the hash: members that change without `updated_at`, so that they start no refetch, and `updated_at`
   * itself, so that a visit is seen to change nothing else.
   */
  unhashed: ReadonlySet<string>;
  kept: readonly KeptField[];
  /** A later answer of Clerk revives a tombstone (users, organizations), or nothing does (memberships). */
  revives: boolean;
}

const KEPT_AND = (...names: string[]) => new Set(["private_metadata", "updated_at", ...names]);

export const USER: Kind = {
  unhashed: KEPT_AND("scim", "locked", "lockout_expires_in_seconds", "last_active_at", "last_sign_in_at"),
  kept: ["private_metadata", "scim"],
  revives: true,
};
export const ORGANIZATION: Kind = {
  unhashed: KEPT_AND(
    "members_count",
    "pending_invitations_count",
    "missing_member_with_elevated_permissions",
    "last_active_at",
  ),
  kept: ["private_metadata"],
  revives: true,
};
export const MEMBERSHIP: Kind = {
  unhashed: KEPT_AND("organization", "public_user_data"),
  kept: ["private_metadata"],
  revives: false,
};

/** What the fold says about the snapshot itself. `stale`: older than what is known, and nothing changed. */
export interface Folded {
  state: State;
  outcome: "applied" | "stale";
  /** Why Clerk should be asked about this id. */
  refetch: "same_updated_at" | "private_metadata_unknown" | "activity_only" | "contradicted" | null;
}

/**
 * Which of two wins. Pure, associative, commutative and idempotent in the state, so that arrival order, repetition and
 * batching don't matter.
 */
export function fold(
  kind: Kind,
  state: State,
  snapshot: Live<Json> | Gone | Activity,
  lagMs: number,
): Folded {
  if (snapshot.kind === "gone") return foldGone(state, snapshot);
  if (snapshot.kind === "activity") return foldActivity(state, snapshot);
  if (state.goneAtMs === null) return foldLive(kind, state, snapshot);
  // A tombstone: only an answer that Clerk gave to our asking, long enough after it, proves it wrong.
  const contradicts = kind.revives && !state.erased && snapshot.observedAtMs > state.goneAtMs + lagMs;
  if (!contradicts) return { state, outcome: "stale", refetch: null };
  if (snapshot.source !== "refetch") return { state, outcome: "stale", refetch: "contradicted" };
  return foldLive(kind, UNKNOWN, snapshot);
}

function foldGone(state: State, snapshot: Gone): Folded {
  if (state.goneAtMs !== null && state.goneAtMs <= snapshot.observedAtMs) {
    return { state, outcome: "stale", refetch: null };
  }
  return {
    state: { content: null, goneAtMs: snapshot.observedAtMs, erased: state.erased },
    outcome: "applied",
    refetch: null,
  };
}

function foldActivity(state: State, snapshot: Activity): Folded {
  if (!state.content)
    return { state, outcome: "stale", refetch: state.goneAtMs === null ? "activity_only" : null };
  const content = {
    ...state.content,
    lastActiveAtMs: greatest(state.content.lastActiveAtMs, snapshot.lastActiveAtMs),
    lastSignInAtMs: greatest(state.content.lastSignInAtMs, snapshot.lastSignInAtMs),
  };
  const moved =
    content.lastActiveAtMs !== state.content.lastActiveAtMs ||
    content.lastSignInAtMs !== state.content.lastSignInAtMs;
  return { state: { ...state, content }, outcome: moved ? "applied" : "stale", refetch: "activity_only" };
}

function foldLive(kind: Kind, state: State, snapshot: Live<Json>): Folded {
  const incoming = contentOf(kind, snapshot);
  const stored = state.content;
  if (!stored) {
    return { state: { ...state, content: incoming }, outcome: "applied", refetch: unknownPrivate(snapshot) };
  }
  const wins = incoming.order > stored.order;
  const winner = wins ? incoming : stored;
  const content: Content = {
    ...winner,
    kept: mergeKept(stored.kept, incoming.kept),
    lastActiveAtMs: greatest(stored.lastActiveAtMs, incoming.lastActiveAtMs),
    lastSignInAtMs: greatest(stored.lastSignInAtMs, incoming.lastSignInAtMs),
  };
  const changed =
    wins ||
    content.lastActiveAtMs !== stored.lastActiveAtMs ||
    content.lastSignInAtMs !== stored.lastSignInAtMs ||
    kind.kept.some((field) => content.kept[field]?.order !== stored.kept[field]?.order);
  return {
    state: { ...state, content },
    outcome: changed ? "applied" : "stale",
    refetch: undecided(stored, incoming, snapshot)
      ? "same_updated_at"
      : wins
        ? unknownPrivate(snapshot)
        : null,
  };
}

/** Some changes don't move `updated_at`: then the order between two contents is a guess, and Clerk is asked. */
function undecided(stored: Content, incoming: Content, snapshot: Live<Json>): boolean {
  return (
    incoming.updatedAtMs === stored.updatedAtMs &&
    incoming.hash !== stored.hash &&
    incoming.rank > 0 &&
    stored.rank > 0 &&
    snapshot.source !== "refetch"
  );
}

function unknownPrivate(snapshot: Live<Json>): "private_metadata_unknown" | null {
  return snapshot.source === "webhook" && snapshot.object.private_metadata === null
    ? "private_metadata_unknown"
    : null;
}

function contentOf(kind: Kind, snapshot: Live<Json>): Content {
  const { object, observedAtMs, source } = snapshot;
  const rank = RANK[source];
  const updatedAtMs = Number(object.updated_at);
  const hash = contentHash(object, kind.unhashed);
  const order = orderKey(updatedAtMs, rank, observedAtMs, hash);
  const kept: Content["kept"] = {};
  for (const field of kind.kept) {
    if (speaksOf(field, snapshot)) kept[field] = { order, value: object[field] };
  }
  return {
    order,
    updatedAtMs,
    observedAtMs,
    rank,
    hash,
    object: () => object,
    kept,
    lastActiveAtMs: timeOf(object.last_active_at),
    lastSignInAtMs: timeOf(object.last_sign_in_at),
    lockedUntilMs: lockedUntil(object, observedAtMs),
  };
}

/** Webhooks may leave private metadata null; `scim` comes in webhooks only, its absence elsewhere says nothing. */
function speaksOf(field: KeptField, { object, source }: Live<Json>): boolean {
  if (field === "scim") return object.scim !== undefined && source === "webhook";
  if (object.private_metadata === undefined) return false;
  return RANK[source] === 2 || object.private_metadata !== null;
}

function mergeKept(a: Content["kept"], b: Content["kept"]): Content["kept"] {
  const merged: Content["kept"] = {};
  for (const field of ["private_metadata", "scim"] as const) {
    const [x, y] = [a[field], b[field]];
    const kept = x && y ? (x.order >= y.order ? x : y) : (x ?? y);
    if (kept) merged[field] = kept;
  }
  return merged;
}

/** When a lock that was seen then ends; null: not locked. */
export function lockedUntil(object: Json, observedAtMs: number): number | null {
  if (object.locked !== true) return null;
  const seconds = object.lockout_expires_in_seconds;
  return typeof seconds === "number" ? observedAtMs + seconds * 1000 : LOCKED_FOR_EVER;
}

export function orderKey(updatedAtMs: number, rank: number, observedAtMs: number, hash: string): OrderKey {
  return `${pad(updatedAtMs)}.${rank}.${pad(observedAtMs)}.${hash}`;
}

const pad = (ms: number) => String(Math.trunc(ms)).padStart(16, "0");

function timeOf(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : null;
}

function greatest(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.max(a, b);
}
