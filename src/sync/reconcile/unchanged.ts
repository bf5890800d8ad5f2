import type { ClerkMembership, ClerkOrganization, ClerkUser, Json } from "../../clerk.js";
import { textArray } from "../../db/connection/bulk.js";
import type { Sql } from "../../db/connection/sql.js";
import { dayOf } from "../../lib/days.js";
import { createPause } from "../../lib/turns.js";
import { contentHash } from "../fold/content-hash.js";
import { lockedUntil, USER } from "../fold/fold.js";
import { type Live, RANK } from "../fold/snapshot.js";

/** How a snapshot compares with the stored row, which is read without a lock: only a `repeat` certainly says nothing new. */
export type Comparison = "repeat" | "unknown" | "differs";

/** Two readings of one lockout differ because the time between them is rounded to seconds. */
const LOCK_TOLERANCE_MS = 2000;

interface StoredRow {
  id: string;
  updated_at: number;
  source: number;
  private_metadata: string | null;
}

interface StoredUserRow extends StoredRow {
  payload_hash: string | null;
  locked_until: number | null;
  last_active_at: number | null;
  last_sign_in_at: number | null;
}

export const STORED_USERS = `
  select id, updated_at, source, private_metadata, payload_hash, locked_until, last_active_at, last_sign_in_at
  from mirror_data.users where id = any($1::text::text[])`;

/**
 * Tells exact repeats of what is stored apart from the rest by one read that locks nothing: 138,000 rows a second at a
 * million users and no WAL (docs/BENCHMARKS.md), against 16,000 for a guarded upsert. Only repeats of what Clerk's API
 * said: a webhook's row takes a higher rank.
 */
export async function compareUsers(sql: Sql, snapshots: readonly Live<ClerkUser>[]): Promise<Comparison[]> {
  const rows = await storedRows<StoredUserRow>(sql, STORED_USERS, snapshots);
  return compare(rows, snapshots, isSameUser);
}

/** The same for organizations, whose counts of members change without `updated_at`: their whole text is compared. */
export async function compareOrganizations(
  sql: Sql,
  snapshots: readonly Live<ClerkOrganization>[],
): Promise<Comparison[]> {
  const rows = await storedRows<StoredPayloadRow>(
    sql,
    `select id, updated_at, source, private_metadata, payload
    from mirror_data.organizations where id = any($1::text::text[])`,
    snapshots,
  );
  return compare(
    rows,
    snapshots,
    ({ payload }, { private_metadata, ...rest }) => payload === JSON.stringify(rest),
  );
}

/** The same for memberships, without the copy of their organization. */
export async function compareMemberships(
  sql: Sql,
  snapshots: readonly Live<ClerkMembership>[],
): Promise<Comparison[]> {
  const rows = await storedRows<StoredMembershipRow>(
    sql,
    `select id, updated_at, source, private_metadata, payload, public_user_data
    from mirror_data.organization_memberships where id = any($1::text::text[])`,
    snapshots,
  );
  return compare(
    rows,
    snapshots,
    (row, { private_metadata, organization, public_user_data, ...rest }) =>
      row.payload === JSON.stringify(rest) && row.public_user_data === JSON.stringify(public_user_data),
  );
}

interface StoredMembershipRow extends StoredPayloadRow {
  public_user_data: string | null;
}

interface StoredPayloadRow extends StoredRow {
  payload: string | null;
}

/**
 * Its plan is kept, because planning it each time takes twice as long as running it. A load that begins with empty
 * tables has it planned anew (`keepPlansFit`).
 */
function storedRows<R extends StoredRow>(
  sql: Sql,
  text: string,
  snapshots: readonly { id: string }[],
): Promise<R[]> {
  return sql.unsafe<R[]>(text, [textArray(snapshots.map(({ id }) => id))], { prepare: true });
}

async function compare<R extends StoredRow, T extends Json>(
  rows: readonly R[],
  snapshots: readonly Live<T>[],
  isSame: (row: R, object: T, observedAtMs: number) => boolean,
): Promise<Comparison[]> {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const pause = createPause();
  const found: Comparison[] = [];
  for (const { id, object, observedAtMs } of snapshots) {
    const row = byId.get(id);
    const isRepeat = () =>
      row !== undefined &&
      row.source === RANK.page &&
      row.updated_at === object.updated_at &&
      isSamePrivate(row.private_metadata, object.private_metadata) &&
      isSame(row, object, observedAtMs);
    found.push(unlessTooDeep(isRepeat) ? "repeat" : row ? "differs" : "unknown");
    await pause();
  }
  return found;
}

/**
 * A value that exhausts the stack counts as new: applying it finds out that it can't be stored, and the rest goes on.
 */
function unlessTooDeep(isRepeat: () => boolean): boolean {
  try {
    return isRepeat();
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function isSameUser(row: StoredUserRow, object: ClerkUser, observedAtMs: number): boolean {
  return (
    isKnownTime(object.last_active_at, row.last_active_at) &&
    isKnownTime(object.last_sign_in_at, row.last_sign_in_at) &&
    isSameLock(row.locked_until, lockedUntil(object, observedAtMs)) &&
    row.payload_hash === contentHash(object, USER.unhashed)
  );
}

const isSamePrivate = (stored: string | null, value: unknown) =>
  value === undefined || (stored ?? "null") === JSON.stringify(value);

/** An older time of another day may be a day of activity that nobody has told of yet. */
const isKnownTime = (value: unknown, stored: number | null) =>
  typeof value !== "number" || (stored !== null && value <= stored && dayOf(value) === dayOf(stored));

const isSameLock = (a: number | null, b: number | null) =>
  a === b || (a !== null && b !== null && Math.abs(a - b) <= LOCK_TOLERANCE_MS);
