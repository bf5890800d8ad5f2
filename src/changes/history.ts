import { membersOf, plainArray } from "../db/connection/bulk.js";
import { send, type Tx } from "../db/connection/sql.js";

/** What a transaction brings to the history of days. Users stand there by `users.number`, days as days since 1970, UTC. */
export interface DayChanges {
  /** Somebody was active on a day: perhaps this is known already. */
  active: { number: number; day: number }[];
  /** Those who are gone, with all their days. */
  forgotten: number[];
  /** By how much the numbers of users who were created and deleted on a day change. */
  counted: Map<number, { created: number; deleted: number }>;
}

export const noDayChanges = (): DayChanges => ({ active: [], forgotten: [], counted: new Map() });

export const bringsDays = ({ active, forgotten, counted }: DayChanges) =>
  active.length > 0 || forgotten.length > 0 || counted.size > 0;

/** Notes that a user is counted on another day than before. Null: on none. */
export function countDay(
  { counted }: DayChanges,
  what: "created" | "deleted",
  before: number | null,
  after: number | null,
): void {
  if (before === after) return;
  const add = (day: number | null, n: number) => {
    if (day === null) return;
    const one = counted.get(day) ?? { created: 0, deleted: 0 };
    counted.set(day, { ...one, [what]: one[what] + n });
  };
  add(before, -1);
  add(after, 1);
}

/** Writes them, a statement for each kind that there is. Whoever calls this must hold the feed's lock, as with the counters. */
export function writeDays(tx: Tx, { active, forgotten, counted }: DayChanges): Promise<unknown>[] {
  const statements: Promise<unknown>[] = [];
  if (forgotten.length > 0) statements.push(send(tx, FORGET, [plainArray(forgotten)]));
  if (active.length > 0) {
    const [numbers, days] = [membersOf(active, "number"), membersOf(active, "day")];
    statements.push(send(tx, MARK, [plainArray(numbers), plainArray(days)]));
  }
  if (counted.size > 0) {
    const moves = [...counted.values()];
    const columns = [counted.keys(), moves.map((one) => one.created), moves.map((one) => one.deleted)];
    statements.push(
      send(
        tx,
        COUNT,
        columns.map((column) => plainArray([...column])),
      ),
    );
  }
  return statements;
}

// The functions are in migration 0019, because rows of processes of the version before are completed by them too.
const FORGET = "select mirror_data.forget_active_days($1::text::integer[])";
const MARK = "select mirror_data.mark_active_days($1::text::integer[], $2::text::integer[])";
const COUNT =
  "select mirror_data.move_daily_users($1::text::integer[], $2::text::integer[], $3::text::integer[])";
