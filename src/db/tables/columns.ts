import { bigint, customType, pgSchema } from "drizzle-orm/pg-core";

/** Text compared byte by byte. A key under another collation than its index is scanned, not looked up. */
export const key = customType<{ data: string; driverData: string }>({ dataType: () => 'text COLLATE "C"' });
export const keys = customType<{ data: string[]; driverData: string[] }>({
  dataType: () => 'text[] COLLATE "C"',
});
/** Milliseconds since 1970, UTC. */
export const ms = (name: string) => bigint(name, { mode: "number" });

/** Everything the mirror owns. The contract for SQL users is the schema `mirror` (`sql-contract.ts`). */
export const mirrorData = pgSchema("mirror_data");
