import { type SQLWrapper, sql } from "drizzle-orm";
import { bigint, customType, pgSchema } from "drizzle-orm/pg-core";

/**
 * Text that is compared byte by byte. With another collation than its index's, a key would be scanned for instead of
 * looked up.
 */
export const key = customType<{ data: string; driverData: string }>({ dataType: () => 'text COLLATE "C"' });
export const keys = customType<{ data: string[]; driverData: string[] }>({
  dataType: () => 'text[] COLLATE "C"',
});
/** Milliseconds since 1970, UTC. */
export const ms = (name: string) => bigint(name, { mode: "number" });

/**
 * A column of milliseconds as the views show it. An index of it must be spelled as they spell it, or it isn't used. The division is
 * one of floats, which gives the same time as one of numerics at a third of its price.
 */
export const timeOf = (column: SQLWrapper) => sql`to_timestamp(${column} / 1000::float8)`;

/**
 * The schema with everything that the mirror owns. SQL users read the schema `mirror` instead (`sql-contract.ts`).
 */
export const mirrorData = pgSchema("mirror_data");
