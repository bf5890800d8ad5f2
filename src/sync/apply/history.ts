import { countDay, type DayChanges, noDayChanges } from "../../changes/history.js";
import type { ClerkUser } from "../../clerk.js";
import type { Sql, Tx } from "../../db/connection/sql.js";
import { dayOf } from "../fold/active-days.js";
import type { ActiveOn, Outcome } from "./merge-locked.js";
import type { StoredUser } from "./tables.js";

/** So many numbers that nobody has had. They are drawn for good, whatever becomes of the transaction. */
export async function drawNumbers(sql: Sql | Tx, count: number): Promise<number[]> {
  const rows = await (sql as Sql)<{ number: number }[]>`
    select nextval('mirror_data.user_numbers')::integer as number from generate_series(1, ${count}::integer)`;
  return rows.map(({ number }) => number);
}

/** Gives numbers to new users, in the order of their creation: who was created together is asked for together. */
export async function giveNumbers(
  tx: Tx,
  rows: readonly (StoredUser & { user: (() => ClerkUser) | null })[],
): Promise<void> {
  const created = rows.flatMap((row) =>
    row.user && row.number === null ? [{ row, at: row.user().created_at }] : [],
  );
  if (created.length === 0) return;
  created.sort((a, b) => a.at - b.at);
  const numbers = await drawNumbers(tx, created.length);
  for (const [n, { row }] of created.entries()) row.number = numbers[n] ?? null;
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
    const known = before?.number === row.number ? daysOf(before) : [];
    for (const day of days) if (!known.includes(day)) changes.active.push({ number: row.number, day });
  }
  return changes;
}

/** The days that were marked when the row was written. */
const daysOf = ({ last_active_at, last_sign_in_at }: StoredUser) =>
  [last_active_at, last_sign_in_at].flatMap((ms) => (ms === null ? [] : [dayOf(ms)]));
