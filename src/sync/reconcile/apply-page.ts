import type { ClerkMembership, ClerkOrganization, ClerkUser } from "../../clerk.js";
import type { Sql, Tx } from "../../db/connection/sql.js";
import { keepPlansFit } from "../../db/setup/statistics.js";
import { createPause } from "../../lib/turns.js";
import type { Applied, Item, RowChange } from "../apply/batch.js";
import { MOST_BYTES } from "../apply/chunks.js";
import { isPoison } from "../apply/isolate.js";
import { loadUsers } from "../apply/load-users.js";
import {
  embeddedOrganization,
  type Live,
  membershipSnapshot,
  organizationSnapshot,
  userSnapshot,
} from "../fold/snapshot.js";
import { dropDeadLetters, keepDeadObject, type LetterKind, lettersOf } from "../ledger/dead-letters.js";
import { type Fence, fenced } from "../ledger/lease.js";
import type { ListKind } from "../ledger/windows.js";
import { type Comparison, compareMemberships, compareOrganizations, compareUsers } from "./unchanged.js";
import { applyUntilUnlocked } from "./until-unlocked.js";

/** What came of one page: how the stored rows changed, by id. */
export type PageChanges = Map<string, RowChange>;

export interface PageOptions {
  lagMs: number;
  fence: Fence;
  /** Commits with the page: its checkpoint. */
  within?: (tx: Tx) => Promise<void>;
  /** Compares and writes nothing; the effects are then what would be. */
  dryRun?: boolean;
  signal?: AbortSignal | undefined;
}

/** Checking and hashing 500 users at once would keep every request of this process waiting for 15 ms. */
export const COMPARED_AT_ONCE = 100;

type LoadOptions = Pick<PageOptions, "lagMs" | "fence" | "within">;

/** Fewer cost as much one way as the other. */
const LEAST_LOADED = 50;

/** What differs between the three lists that are read. */
interface PageKind<T extends Live<ClerkUser | ClerkOrganization | ClerkMembership>> {
  letter: LetterKind;
  snapshot(item: unknown, startedAtMs: number): T;
  compare(sql: Sql, snapshots: readonly T[]): Promise<Comparison[]>;
  item(snapshot: T): Item;
  /** Stores in one go those of whom nothing is known. False: nothing is stored. */
  load?: (sql: Sql, snapshots: readonly T[], options: LoadOptions) => Promise<boolean>;
  effects(applied: Applied): Map<string, RowChange>;
}

const USERS: PageKind<Live<ClerkUser>> = {
  letter: "user",
  snapshot: (item, startedAtMs) => userSnapshot(item, "page", startedAtMs),
  compare: compareUsers,
  item: (snapshot) => ({ users: [snapshot] }),
  load: loadUsers,
  effects: (applied) => applied.users,
};

const ORGANIZATIONS: PageKind<Live<ClerkOrganization>> = {
  letter: "organization",
  snapshot: (item, startedAtMs) => organizationSnapshot(item, "page", startedAtMs),
  compare: compareOrganizations,
  item: (snapshot) => ({ organizations: [snapshot] }),
  effects: (applied) => applied.organizations,
};

const MEMBERSHIPS: PageKind<Live<ClerkMembership>> = {
  letter: "membership",
  snapshot: (item, startedAtMs) => membershipSnapshot(item, "page", startedAtMs),
  compare: compareMemberships,
  item: (snapshot) => ({
    memberships: [snapshot],
    organizations: embeddedOrganization(snapshot.object, snapshot.observedAtMs),
  }),
  effects: (applied) => applied.memberships,
};

/** A page of one of Clerk's lists. */
export interface ListedPage {
  items: readonly unknown[];
  /** How long all of them were together, as JSON, where that is known. */
  bytes?: number;
  startedAtMs: number;
}

/**
 * Applies one page: repeats of what is stored are found without a lock and written nowhere, and what can't be stored
 * becomes a dead letter while the rest goes on. Safe to repeat.
 */
export function applyPage(
  sql: Sql,
  what: ListKind,
  page: ListedPage,
  options: PageOptions,
): Promise<PageChanges> {
  if (what === "users") return apply(sql, USERS, page, options);
  return what === "organizations"
    ? apply(sql, ORGANIZATIONS, page, options)
    : apply(sql, MEMBERSHIPS, page, options);
}

async function apply<T extends Live<ClerkUser | ClerkOrganization | ClerkMembership>>(
  sql: Sql,
  kind: PageKind<T>,
  page: ListedPage,
  { lagMs, fence, within, dryRun = false, signal }: PageOptions,
): Promise<PageChanges> {
  const keepDead = (id: string, object: unknown, error: Error) =>
    fenced(sql, fence, (tx) => keepDeadObject(tx, { kind: kind.letter, id }, object, error));
  const pause = createPause();
  const unknown: T[] = [];
  const differing: T[] = [];
  for (let from = 0; from < page.items.length; from += COMPARED_AT_ONCE) {
    const snapshots: T[] = [];
    for (const item of page.items.slice(from, from + COMPARED_AT_ONCE)) {
      try {
        snapshots.push(kind.snapshot(item, page.startedAtMs));
      } catch (error) {
        if (!isPoison(error)) throw error;
        if (!dryRun) await keepDead(idForLetter(item), item, error);
      }
    }
    await pause();
    const comparisons = snapshots.length > 0 ? await kind.compare(sql, snapshots) : [];
    for (const [index, snapshot] of snapshots.entries()) {
      if (comparisons[index] === "unknown") unknown.push(snapshot);
      else if (comparisons[index] === "differs") differing.push(snapshot);
    }
  }
  const effects: PageChanges = new Map();
  const stored: string[] = [];
  const bytesOf = (snapshots: readonly T[]) => ((page.bytes ?? 0) * snapshots.length) / page.items.length;
  const isLoaded =
    !dryRun &&
    canBeLoaded(unknown, bytesOf(unknown)) &&
    (await kind.load?.(sql, unknown, { lagMs, fence, ...(differing.length === 0 && within && { within }) }));
  if (isLoaded) {
    for (const { id } of unknown) {
      stored.push(...lettersOf(kind.letter, id));
      effects.set(id, "created");
    }
  }
  const news = isLoaded ? differing : [...unknown, ...differing];
  if (news.length > 0 || (within && !isLoaded)) {
    const options = { lagMs, fence, dryRun, signal, bytes: bytesOf(news), ...(within && { within }) };
    const results = await applyUntilUnlocked(sql, news.map(kind.item), options);
    for (const [index, result] of results.entries()) {
      const snapshot = news[index];
      if (!snapshot) continue;
      if (result.kind === "poison") {
        if (dryRun) continue;
        await keepDead(snapshot.id, snapshot.object, result.error);
        continue;
      }
      stored.push(...lettersOf(kind.letter, snapshot.id));
      const effect = kind.effects(result.applied).get(snapshot.id);
      if (effect) effects.set(snapshot.id, effect);
    }
  }
  if (stored.length > 0 && !dryRun) await fenced(sql, fence, (tx) => dropDeadLetters(tx, stored));
  // Plans that were made for empty tables would be kept for all pages that follow.
  if (effects.size > 0) await keepPlansFit(sql).catch(() => {});
  return effects;
}

/** A page may show somebody twice, and what is large is applied in parts (`chunks.ts`). */
function canBeLoaded(snapshots: readonly { id: string }[], bytes: number): boolean {
  if (snapshots.length < LEAST_LOADED || bytes > MOST_BYTES) return false;
  return new Set(snapshots.map(({ id }) => id)).size === snapshots.length;
}

function idForLetter(item: unknown): string {
  const id = item !== null && typeof item === "object" ? (item as { id?: unknown }).id : null;
  return typeof id === "string" ? id : "without an id";
}
