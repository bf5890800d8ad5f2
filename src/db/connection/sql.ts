import type postgresType from "postgres";

/** What statements are sent through; `bigint` columns arrive as numbers (milliseconds and counts fit 2^53). */
export type Sql = postgresType.Sql<{ bigint: number }>;
/** The same within a transaction: what must commit together takes it as its first argument. */
export type Tx = postgresType.TransactionSql<{ bigint: number }>;
