import { isTimeMs } from "../../clerk.js";
import { dayOf } from "../../lib/days.js";
import type { UserSnapshot } from "./snapshot.js";

/** The day on which the user was created. Null: the snapshot doesn't say. */
export const createdDayOf = (snapshot: UserSnapshot): number | null =>
  snapshot.kind === "live" ? dayOf(snapshot.object.created_at) : null;

/**
 * The days on which the user was active, as far as a snapshot tells, whether it wins or loses: to have been active is never taken
 * back.
 */
export function activeDaysOf(snapshot: UserSnapshot): number[] {
  if (snapshot.kind === "gone") return [];
  const times =
    snapshot.kind === "activity"
      ? [snapshot.lastActiveAtMs, snapshot.lastSignInAtMs]
      : [snapshot.object.last_active_at, snapshot.object.last_sign_in_at, ...(snapshot.sessionTimesMs ?? [])];
  return times.filter(isTimeMs).map(dayOf);
}
