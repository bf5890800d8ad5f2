import { LOCKED_FOR_EVER } from "../lib/lockout.js";
import { hidePrivateMetadata, splicePrivateMetadata } from "../lib/private-metadata.js";

/** What the reader may see. */
export interface View {
  privateMetadata: boolean;
}

/** A live row of `users`, as far as it is shown. */
export interface UserText {
  payload: string;
  private_metadata: string | null;
  private_at: number | null;
  locked_until: number | null;
}

/** A user's JSON. Text goes through as it is stored; only a lockout that ends is worked out anew. */
export function presentUser(row: UserText, view: View, nowMs: number): string {
  const privateMetadata = view.privateMetadata ? (row.private_metadata ?? "null") : "null";
  const spliced = splicePrivateMetadata(row.payload, row.private_at, privateMetadata);
  // The user's own is apart; what is still called so belongs to something in it, its memberships for instance.
  const hidesMore = !view.privateMetadata && row.payload.includes('"private_metadata"');
  const json = hidesMore ? JSON.stringify(hidePrivateMetadata(JSON.parse(spliced))) : spliced;
  return hasEnd(row.locked_until) ? withLockout(json, row.locked_until, nowMs) : json;
}

/** Whether the user's JSON changes by itself when the lock ends. */
export function hasEnd(lockedUntilMs: number | null): lockedUntilMs is number {
  return lockedUntilMs !== null && lockedUntilMs < LOCKED_FOR_EVER;
}

/** Clerk says how long a lock still lasts, not when it ends: a stored answer is wrong a second later. */
function withLockout(json: string, lockedUntilMs: number, nowMs: number): string {
  const locked = lockedUntilMs > nowMs;
  const seconds = locked ? Math.ceil((lockedUntilMs - nowMs) / 1000) : null;
  return JSON.stringify({ ...JSON.parse(json), locked, lockout_expires_in_seconds: seconds });
}
