import { LOCKED_FOR_EVER } from "../lib/lockout.js";
import { hidePrivateMetadata } from "../lib/private-metadata.js";
import { putTimes, splicePrivateMetadata, TIMES } from "../lib/user-text.js";

/** What the reader may see. */
export interface View {
  privateMetadata: boolean;
}

/** A row as Postgres sent it: text in UTF-8, or null. */
export type RawRow = (Buffer | null)[];

/** The columns that `presentUser` needs of a live user, in this order; the statement calls the user `u`. */
export const SHOWN_COLUMNS = `u.payload, u.private_metadata, u.private_place, u.locked_until, u.time_places, ${TIMES.map((name) => `u.${name}`).join(", ")}`;

export interface Presented {
  /** The user's JSON in pieces, to be joined. */
  pieces: Buffer[];
  /** Whether the JSON changes by itself when a lock ends. */
  changes: boolean;
}

const NULL = Buffer.from("null");
const PRIVATE_METADATA = Buffer.from('"private_metadata"');

/**
 * A user's JSON from its columns, which begin at index `at` of the row. Bytes are passed on as they are stored: parsing and
 * printing a page of 500 takes ten times as long. Only users under a lockout that ends, or with private metadata to hide,
 * are parsed.
 */
export function presentUser(row: RawRow, view: View, nowMs: number, at = 0): Presented {
  const payload = row[at] ?? NULL;
  const shown = (view.privateMetadata && row[at + 1]) || NULL;
  const privatePlace = numberOf(row[at + 2]);
  const lockedUntilMs = numberOf(row[at + 3]);
  const timePlaces = row[at + 4];
  // The row's bytes are nobody else's, and putting the same times there again changes nothing.
  if (timePlaces)
    putTimes(
      payload,
      timePlaces.toString("latin1"),
      row.slice(at + 5, at + 5 + TIMES.length) as (Buffer | null)[],
    );
  const pieces = splicePrivateMetadata(payload, privatePlace, shown);
  // The user's own private metadata is in another column; what the payload still has belongs to its memberships, for instance.
  const hidesMore = !view.privateMetadata && payload.includes(PRIVATE_METADATA);
  const changes = hasEnd(lockedUntilMs);
  if (!hidesMore && !changes) return { pieces, changes };
  const user = JSON.parse(String(Buffer.concat(pieces)));
  const seen = hidesMore ? hidePrivateMetadata(user) : user;
  const json = changes ? withLockout(seen, lockedUntilMs, nowMs) : seen;
  return { pieces: [Buffer.from(JSON.stringify(json))], changes };
}

export function numberOf(column: Buffer | null | undefined): number | null {
  return column ? Number(column.toString("latin1")) : null;
}

function hasEnd(lockedUntilMs: number | null): lockedUntilMs is number {
  return lockedUntilMs !== null && lockedUntilMs < LOCKED_FOR_EVER;
}

/** Clerk says how long a lock still lasts, not when it ends: a stored answer is wrong a second later. */
function withLockout(user: object, lockedUntilMs: number, nowMs: number): object {
  const locked = lockedUntilMs > nowMs;
  const seconds = locked ? Math.ceil((lockedUntilMs - nowMs) / 1000) : null;
  return { ...user, locked, lockout_expires_in_seconds: seconds };
}
