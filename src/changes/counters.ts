import type { Sql, Tx } from "../db/connection/sql.js";

/** How many of each kind are live. A row of `mirror_data.counters` each. */
export interface Counters {
  users: number;
  organizations: number;
  memberships: number;
}

/** Reads one counter, named by a literal or a placeholder: for those who send texts. */
export const counterNamed = (name: string) => `select n from mirror_data.counters where name = ${name}`;

/** The number of live users, as a part of statements that compute with it. */
export const USER_COUNT = counterNamed("'users'");

/** The number of live users. One index lookup, where counting the rows would read a whole index. */
export async function userCount(sql: Sql): Promise<number> {
  const [row] = await sql<{ n: number }[]>`${sql.unsafe(USER_COUNT)}`;
  return row?.n ?? 0;
}

/** All counters at one moment. */
export async function readCounters(sql: Sql): Promise<Counters> {
  const rows = await sql<{ name: string; n: number }[]>`select name, n from mirror_data.counters`;
  const counters: Counters = { users: 0, organizations: 0, memberships: 0 };
  return Object.assign(counters, Object.fromEntries(rows.map(({ name, n }) => [name, n])));
}

/**
 * Moves the counters by what a transaction changed, one statement for each that moves. Each statement locks its row until
 * the commit: whoever calls this must hold the lock of the feed, so that all transactions lock the rows in one order.
 */
export function moveCounters(tx: Tx, deltas: Counters): Promise<unknown>[] {
  const moved = Object.entries(deltas).filter(([, delta]) => delta !== 0);
  return moved.map(([name, delta]) =>
    tx`update mirror_data.counters set n = n + ${delta}::bigint where name = ${name}`.execute(),
  );
}
