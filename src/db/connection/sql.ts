import type postgresType from "postgres";

/** How a connection reads `bigint`: as a number, since milliseconds and counts fit 2^53. */
export const BIGINT_AS_NUMBER = { bigint: { to: 20, from: [20], parse: Number, serialize: String } };

/** What statements are sent through, on connections with `BIGINT_AS_NUMBER`. */
export type Sql = postgresType.Sql<{ bigint: number }>;
/** The same within a transaction: what must commit together takes it as its first argument. */
export type Tx = postgresType.TransactionSql<{ bigint: number }>;

/** Sends a text that was made at load, at once; it is prepared and pipelined as a template is. */
export const send = <T extends object = object>(tx: Tx, statement: string, parameters: string[]) =>
  tx.unsafe<T[]>(statement, parameters, { prepare: true }).execute();
