import { integer, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/** The application's own table. It stands beside the mirror, in the same database. */
export const orders = pgTable("orders", {
  id: integer("id").primaryKey().generatedAlwaysAsIdentity(),
  /** A user's id at Clerk. No foreign key: the order outlives the user. */
  userId: text("user_id").notNull(),
  total: integer("total").notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull().defaultNow(),
});
