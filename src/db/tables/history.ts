import { boolean, customType, date, index, integer, primaryKey } from "drizzle-orm/pg-core";
import { mirrorData, ms } from "./columns.js";

const chunkBits = customType<{ data: string; driverData: string }>({ dataType: () => "bit(1024)" });

/**
 * On which UTC days users were active: a bit for each user, by `users.number`. A row holds 1,024 users, of whom somebody was.
 * Only what holds the feed's lock writes here (`changes/history.ts`), because a row belongs to many users. The bits of users who
 * don't exist any more are 0. The migration gives the table its fillfactor of 90: in the course of a day each row is written often.
 */
export const activeDays = mirrorData.table(
  "active_days",
  {
    day: date("day").notNull(),
    /** `users.number / 1024`; the bit is `users.number % 1024`. */
    chunk: integer("chunk").notNull(),
    bits: chunkBits("bits").notNull(),
  },
  (t) => [primaryKey({ columns: [t.day, t.chunk] }), index("active_days_chunk").on(t.chunk)],
);

/**
 * What happened on a UTC day, as far as anything did: moved by the commit that moves the users. Sums over `created` and `deleted`
 * give how many there were. `created` and `deleted` follow from `users.created_day` and `deleted_day`, which stay with a tombstone.
 */
export const dailyUsers = mirrorData.table("daily_users", {
  day: date("day").primaryKey(),
  created: integer("created").notNull().default(0),
  deleted: integer("deleted").notNull().default(0),
  /** Bits that were ever set on this day, those of users deleted since too. */
  active: integer("active").notNull().default(0),
  /** Whether they agree with Clerk's own number for the day, counted before its end, and with what Clerk showed after it. */
  activeComplete: boolean("active_complete").notNull().default(false),
  /** How many `active` must become for that number. Null: Clerk wasn't asked in the last moments of the day, or can't be right. */
  activeCounted: integer("active_counted"),
  /** When Clerk was asked last before the end of the day, by Clerk's clock. */
  activeCountedAt: ms("active_counted_at"),
});
