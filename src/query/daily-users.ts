import type { Sql } from "../db/connection/sql.js";

/** A UTC day, as `mirror.daily_users` has it. `deleted` and `active` are null before the mirror kept them. */
export interface DailyUsers {
  day: string;
  users: number;
  created: number;
  deleted: number | null;
  active: number | null;
  active_complete: boolean;
}

/** The days from one to another, both included, the oldest first. Days before the first user aren't there. */
export async function readDailyUsers(sql: Sql, from: string, to: string): Promise<DailyUsers[]> {
  const rows = await sql<DailyUsers[]>`
    select day::text as day, users::bigint as users, created::bigint as created, deleted::bigint as deleted, active::bigint as active,
      active_complete
    from mirror.daily_users where day between ${from}::date and ${to}::date order by day`;
  return [...rows];
}
