import type { Sql, Tx } from "../../src/db/connection/sql.js";
import { DAY_MS, TODAY_MS } from "../people/person.js";
import { randomOf } from "../people/random.js";

/** Half a year of activity, a tenth of all users a day. */
export const DAYS = 180;
/** The last of these days is yesterday. */
export const LAST_DAY = TODAY_MS / DAY_MS - 1;
/** So many come every day, and so many others once in a while. */
const FAITHFUL = 0.06;
const VISITING = 0.04;

/**
 * Marks them through the function that every commit marks days with. What is marked already is written nowhere. Days before them, which
 * the times of loaded users tell of, are taken away.
 */
export async function makeDays(sql: Sql, say: (text: string) => void): Promise<void> {
  const visitorsOf = visitors(await countNumbers(sql));
  await sql`
    update mirror_data.upstream set
      activity_since = ${(LAST_DAY - DAYS + 1) * DAY_MS}::bigint,
      history_since = ${(LAST_DAY - DAYS + 1) * DAY_MS}::bigint`;
  await sql`delete from mirror_data.active_days where day < date '1970-01-01' + ${LAST_DAY - DAYS + 1}::integer`;
  for (let day = LAST_DAY - DAYS + 1; day <= LAST_DAY; day++) {
    say(`marking the activity of day ${day - LAST_DAY + DAYS} of ${DAYS}`);
    await markDay(sql, day, visitorsOf(day));
  }
  await sql`vacuum (full, analyze) mirror_data.active_days`;
}

/** Who comes on a day, by their numbers. */
export function visitors(users: number): (day: number) => number[] {
  const faithful = drawn(users, FAITHFUL, 0);
  return (day) => [...faithful, ...drawn(users, VISITING, day)];
}

/** As every commit does, under the feed's lock or alone. */
export const markDay = (sql: Sql | Tx, day: number, numbers: readonly number[]) => sql`
  select mirror_data.mark_active_days(
    ${`{${numbers}}`}::text::integer[], ${`{${numbers.map(() => day)}}`}::text::integer[])`;

/** How many numbers users have. Those of deleted users are among them. */
export async function countNumbers(sql: Sql): Promise<number> {
  const [row] = await sql<{ numbers: number }[]>`
    select coalesce(max(number), -1) + 1 as numbers from mirror_data.users`;
  return row?.numbers ?? 0;
}

function drawn(users: number, share: number, seed: number): number[] {
  const random = randomOf(seed, 3);
  const numbers: number[] = [];
  for (let number = 0; number < users; number++) if (random.chance(share)) numbers.push(number);
  return numbers;
}
