import { countDay, type DayChanges, noDayChanges } from "../../changes/history.js";
import type { ClerkUser } from "../../clerk.js";
import type { Sql, Tx } from "../../db/connection/sql.js";
import { dayOf } from "../../lib/days.js";
import type { ActiveOn, Outcome } from "./merge-locked.js";
import type { StoredUser } from "./tables.js";

/**
 * A number that nobody has had for each of these users, in the order of their creation: who was created together is asked for
 * together. They are drawn for good, whatever becomes of the transaction.
 */
export async function numbersFor<T>(
  sql: Sql | Tx,
  users: readonly T[],
  createdAtOf: (user: T) => number,
): Promise<Map<T, number>> {
  const drawn = await (sql as Sql)<{ number: number }[]>`
    select nextval('mirror_data.user_numbers')::integer as number from generate_series(1, ${users.length}::integer)`;
  const created = users.map((user) => ({ user, at: createdAtOf(user) })).sort((a, b) => a.at - b.at);
  return new Map(created.map(({ user }, n) => [user, drawn[n]!.number]));
}

/** Gives new users their numbers. */
export async function giveNumbers(
  tx: Tx,
  rows: readonly (StoredUser & { user: (() => ClerkUser) | null })[],
): Promise<void> {
  const fresh = rows.flatMap((row) => (row.user && row.number === null ? [{ row, user: row.user }] : []));
  if (fresh.length === 0) return;
  const numbers = await numbersFor(tx, fresh, ({ user }) => user().created_at);
  for (const [{ row }, number] of numbers) row.number = number;
}

/** What a batch brings to the history of days. */
export function dayChangesOf(
  outcomes: readonly Outcome<StoredUser>[],
  active: readonly ActiveOn<StoredUser>[],
): DayChanges {
  const changes = noDayChanges();
  for (const { before, after } of outcomes) {
    countDay(changes, "created", before?.created_day ?? null, after.created_day);
    countDay(changes, "deleted", before?.deleted_day ?? null, after.deleted_day);
    if (before && before.number !== null && before.number !== after.number)
      changes.forgotten.push(before.number);
  }
  for (const { before, row, days } of active) {
    if (row.number === null) continue;
    const known = before?.number === row.number ? before : null;
    for (const day of days) {
      if (!known || !isMarked(known, day)) changes.active.push({ number: row.number, day });
    }
  }
  return changes;
}

/** Whether the day was marked when the row was written. */
function isMarked({ last_active_at, last_sign_in_at }: StoredUser, day: number): boolean {
  return isOn(last_active_at, day) || isOn(last_sign_in_at, day);
}

const isOn = (ms: number | null, day: number) => ms !== null && dayOf(ms) === day;
