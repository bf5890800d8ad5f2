import type { Tx } from "./sql.js";

/**
 * The settings of every connection, whatever the role, the database or the host have as their defaults: waits have a
 * limit, long work isn't cut off, and texts mean what the code takes them for.
 */
const SETTINGS = {
  // Bounds how long others wait for a process that was stopped in the middle of a transaction.
  idle_in_transaction_session_timeout: "5s",
  // A transaction that has something better to do than wait sets less (`limitLocks`).
  lock_timeout: "2s",
  // Far more than any statement of a request takes. What may take longer sets more (`session`).
  statement_timeout: "60s",
  idle_session_timeout: "0",
  // Rows are locked first and read afterwards. Under a stricter isolation the second statement would still see what
  // was there before the lock.
  default_transaction_isolation: "read committed",
  search_path: '"$user", public',
  // Without it, the word NULL in an array's text is read as a text.
  array_nulls: "on",
  standard_conforming_strings: "on",
  transform_null_equals: "off",
  // With any other value, the trigram index returns only a part of the matches.
  gin_fuzzy_search_limit: "0",
  DateStyle: "ISO, MDY",
  IntervalStyle: "postgres",
  TimeZone: "UTC",
  bytea_output: "hex",
  // What `similar` means (`query/compile/similar.ts`). Nothing else of the mirror asks by it.
  "pg_trgm.word_similarity_threshold": "0.5",
  // A smaller value would round the primary's clock.
  extra_float_digits: "1",
  // Of no meaning to Postgres. What a process writes that says less is completed by triggers (migrations 0016, 0019 and 0034): raise it with the
  // migration that brings the next such trigger.
  "user_mirror.schema": "34",
} as const;

/** For work that reads or writes whole tables and that nobody waits for. */
export const UNHURRIED = { statement_timeout: "6h", lock_timeout: "30s" } as const;

/** In the server's own words, so that a server that doesn't know a setting isn't asked for it. */
const CONDITIONAL = [
  // From PostgreSQL 17 on. The limits of statements and locks are enough.
  `case when current_setting('transaction_timeout', true) is not null
    then pg_catalog.set_config('transaction_timeout', '0', false) end`,
  // Whoever is told that something is applied may forget it. What waits for more than the disk stays as it is.
  `case when current_setting('synchronous_commit') = 'off'
    then pg_catalog.set_config('synchronous_commit', 'on', false) end`,
];

export type Settings = Record<string, string | number>;

/**
 * Options for postgres.js: each connection begins with the statement that sets these (`driver.ts`). They aren't sent along
 * with the connection's start, where poolers refuse what they don't know.
 */
export function session(settings: Settings = {}): { fetch_types: boolean } {
  const set = Object.entries({ ...SETTINGS, ...settings }).map(
    ([name, value]) => `pg_catalog.set_config('${name}', '${value}', false)`,
  );
  return { fetch_types: `select ${[...set, ...CONDITIONAL].join(", ")}` as unknown as boolean };
}

/**
 * Commits behind the statements that were sent, without waiting for their answers; the transaction must send nothing more. If
 * one of them failed, Postgres rolls back instead, and this resolves all the same: their own answers tell.
 */
export function commitNow(tx: Tx): Promise<unknown> {
  // The driver's `begin` leaves out its own commit (`driver.ts`).
  Object.assign(tx, { isCommitted: true });
  return tx`commit`.execute();
}

/**
 * How long a transaction waits for each of its locks, until it fails. Sent ahead of what the transaction sends next, whose
 * answer tells whether it arrived.
 */
export function limitLocks(tx: Tx, timeoutMs: number): void {
  tx`select set_config('lock_timeout', ${String(timeoutMs)}, true)`.execute().catch(() => {});
}

/**
 * The same for a transaction that writes batches, whose statements are planned once: for their values, Postgres would plan those of
 * a lone webhook again each time, because one row costs less than the ten that it expects of any array.
 */
export function beginBatch(tx: Tx, lockTimeoutMs: number): void {
  tx`
    select set_config('lock_timeout', ${String(lockTimeoutMs)}, true),
      set_config('plan_cache_mode', 'force_generic_plan', true)`
    .execute()
    .catch(() => {});
}
