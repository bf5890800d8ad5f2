import { isTimeMs, type Json } from "../../clerk.js";
import { LOCKED_FOR_EVER } from "../../lib/lockout.js";
import { digestOf } from "./content-hash.js";
import { type Activity, type Gone, type Live, RANK } from "./snapshot.js";

/**
 * A snapshot's place in the total order of all snapshots of its id, as a text that compares in that order:
 * `(updated_at, source rank, observed_at, content hash)`.
 */
export type OrderKey = string;

/** A member that not every source sends. It has the value of the greatest snapshot that had it. */
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
  /** The order of the winning snapshot's members, as `digestOf` hashes it. */
  keyOrder: number;
  /**
   * Whether the winning snapshot's unhashed members say nothing but times and private metadata: it is not locked, and has no
   * `scim`.
   */
  isPlain: boolean;
  /** The winning snapshot's JSON object as Clerk sent it. That of a stored row is parsed when it is needed. */
  object: () => Json;
  kept: Record<KeptField, Kept | null>;
  /** The greatest time of all snapshots, including those that lost. */
  lastActiveAtMs: number | null;
  lastSignInAtMs: number | null;
  lockedUntilMs: number | null;
}

export type KeptField = "private_metadata" | "scim";

/** Everything that is known about one id. With neither content nor tombstone it was never seen. */
export interface State {
  content: Content | null;
  goneAtMs: number | null;
  erased: boolean;
}

export const UNKNOWN: State = { content: null, goneAtMs: null, erased: false };

// The objects below are made for every event. So all members are written out: those behind a spread cost a microsecond each.

/** What differs between users, organizations and memberships. */
export interface Kind {
  /**
   * Members that are left out of the hash: those that change without `updated_at`, so that they cause no refetch, and
   * `updated_at` itself, so that a visit can be told from a change of content.
   */
  unhashed: ReadonlySet<string>;
  kept: readonly KeptField[];
  /** Whether a later answer from Clerk can revive a tombstone. Nothing revives a membership's. */
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

/** The new state, and what became of the snapshot. `stale`: it is older than what is known, and changed nothing. */
export interface Folded {
  state: State;
  outcome: "applied" | "stale";
  /** Why Clerk should be asked about this id. */
  refetch: "same_updated_at" | "private_metadata_unknown" | "activity_only" | "contradicted" | null;
}

/**
 * Decides which of two descriptions wins. The state that results is the same in whatever order snapshots arrive, however often
 * they are repeated, and however they are batched: the function is pure, associative, commutative and idempotent.
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
  // A tombstone is proved wrong only by an answer that Clerk gave because we asked about it, long enough after it.
  const contradicts = kind.revives && !state.erased && snapshot.observedAtMs > state.goneAtMs + lagMs;
  if (!contradicts) return { state, outcome: "stale", refetch: null };
  if (snapshot.source !== "refetch") return { state, outcome: "stale", refetch: "contradicted" };
  return foldLive(kind, UNKNOWN, snapshot);
}

function foldGone(state: State, snapshot: Gone): Folded {
  const goneAtMs = Math.min(state.goneAtMs ?? Number.POSITIVE_INFINITY, snapshot.observedAtMs);
  const erased = state.erased || snapshot.erases === true;
  if (goneAtMs === state.goneAtMs && erased === state.erased) {
    return { state, outcome: "stale", refetch: null };
  }
  return { state: { content: null, goneAtMs, erased }, outcome: "applied", refetch: null };
}

function foldActivity(state: State, snapshot: Activity): Folded {
  if (!state.content)
    return { state, outcome: "stale", refetch: state.goneAtMs === null ? "activity_only" : null };
  const content = withLater(state.content, state.content.kept, snapshot);
  const moved =
    content.lastActiveAtMs !== state.content.lastActiveAtMs ||
    content.lastSignInAtMs !== state.content.lastSignInAtMs;
  // Times that were kept for a user who wasn't known come with Clerk's answer about the rest.
  const refetch = snapshot.source === "refetch" ? null : "activity_only";
  return { state: withContent(state, content), outcome: moved ? "applied" : "stale", refetch };
}

function foldLive(kind: Kind, state: State, snapshot: Live<Json>): Folded {
  const incoming = contentOf(kind, snapshot);
  const stored = state.content;
  if (!stored) {
    return { state: withContent(state, incoming), outcome: "applied", refetch: unknownPrivate(snapshot) };
  }
  const wins = incoming.order > stored.order;
  const [winner, loser] = wins ? [incoming, stored] : [stored, incoming];
  const content = withLater(winner, mergeKept(stored.kept, incoming.kept), loser);
  const changed =
    wins ||
    content.lastActiveAtMs !== stored.lastActiveAtMs ||
    content.lastSignInAtMs !== stored.lastSignInAtMs ||
    kind.kept.some((field) => content.kept[field]?.order !== stored.kept[field]?.order);
  return {
    state: withContent(state, content),
    outcome: changed ? "applied" : "stale",
    refetch: undecided(stored, incoming, snapshot)
      ? "same_updated_at"
      : wins
        ? unknownPrivate(snapshot)
        : null,
  };
}

const withContent = ({ goneAtMs, erased }: State, content: Content): State => ({ content, goneAtMs, erased });

/** The content with these members, and with each time of the other where that is later. */
function withLater(
  content: Content,
  kept: Content["kept"],
  other: Pick<Content, "lastActiveAtMs" | "lastSignInAtMs">,
): Content {
  return {
    order: content.order,
    updatedAtMs: content.updatedAtMs,
    observedAtMs: content.observedAtMs,
    rank: content.rank,
    hash: content.hash,
    keyOrder: content.keyOrder,
    isPlain: content.isPlain,
    object: content.object,
    kept,
    lastActiveAtMs: greatest(content.lastActiveAtMs, other.lastActiveAtMs),
    lastSignInAtMs: greatest(content.lastSignInAtMs, other.lastSignInAtMs),
    lockedUntilMs: content.lockedUntilMs,
  };
}

/** Some changes don't move `updated_at`. The order of two contents is then a guess, so Clerk is asked. */
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
  const { hash, keyOrder } = digestOf(object, kind.unhashed);
  const order = orderKey(updatedAtMs, rank, observedAtMs, hash);
  const keptOf = (field: KeptField): Kept | null =>
    kind.kept.includes(field) && speaksOf(field, snapshot) ? { order, value: object[field] } : null;
  return {
    order,
    updatedAtMs,
    observedAtMs,
    rank,
    hash,
    keyOrder,
    isPlain: isPlain(object),
    object: () => object,
    kept: { private_metadata: keptOf("private_metadata"), scim: keptOf("scim") },
    lastActiveAtMs: timeOf(object.last_active_at),
    lastSignInAtMs: timeOf(object.last_sign_in_at),
    lockedUntilMs: lockedUntil(object, observedAtMs),
  };
}

function isPlain({ locked, lockout_expires_in_seconds: seconds, scim }: Json): boolean {
  return (
    (locked === false || locked === undefined) &&
    (seconds === null || seconds === undefined) &&
    scim === undefined
  );
}

/** Webhooks may have null for private metadata that exists. `scim` comes in webhooks only: its absence elsewhere means nothing. */
function speaksOf(field: KeptField, { object, source }: Live<Json>): boolean {
  if (field === "scim") return object.scim !== undefined && source === "webhook";
  if (object.private_metadata === undefined) return false;
  return RANK[source] === 2 || object.private_metadata !== null;
}

function mergeKept(a: Content["kept"], b: Content["kept"]): Content["kept"] {
  return {
    private_metadata: greater(a.private_metadata, b.private_metadata),
    scim: greater(a.scim, b.scim),
  };
}

function greater(a: Kept | null, b: Kept | null): Kept | null {
  return a && b ? (a.order >= b.order ? a : b) : (a ?? b);
}

/** When the lock of a user who was seen at that moment ends. Null: not locked. */
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
  return isTimeMs(value) ? value : null;
}

function greatest(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.max(a, b);
}
