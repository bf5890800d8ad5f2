import type { Clock } from "../../db/connection/clock.js";
import type { Sql } from "../../db/connection/sql.js";
import { DAY_MS } from "../../lib/days.js";
import { runLoop } from "../../lib/loop.js";
import type { Logger } from "../../observability/logger.js";
import { dropDeadLetters } from "../ledger/dead-letters.js";

export interface Retention {
  /**
   * Deletes what is older than it has to be kept, and returns how many rows. Repeating is safe, also from several
   * processes at once.
   */
  prune(): Promise<number>;
  /** Deletes from time to time until aborted. Never fails: what can't be deleted now is deleted later. */
  run(signal: AbortSignal): Promise<void>;
}

/** Svix repeats a message for a day and a bit. */
const DELIVERIES_MS = 7 * DAY_MS;
const RUNS_MS = 90 * DAY_MS;
/** Checks and sweeps that fail are tried again every minute, and mostly they find nothing. */
const CHECKS_MS = 7 * DAY_MS;
const MOST_LETTERS = 10_000;
const MOST_LETTER_BYTES = 256 * 1024 * 1024;
const MOST_LOGGED = 100;
const INTERVAL_MS = 600_000;
/** Transactions are short, so that nobody waits for one. */
const PER_STATEMENT = 5000;

export interface RetentionDeps {
  sql: Sql;
  clock: Pick<Clock, "now">;
  log: Logger;
  /** How long rows of the feed are kept. */
  changesMs: number;
  /** How long a dead letter is kept after its last attempt. Clerk is asked about its subject in any case. */
  lettersMs: number;
  mostLetters?: number;
  mostLetterBytes?: number;
}

export function createRetention(options: RetentionDeps): Retention {
  const { sql, clock, log, changesMs, lettersMs } = options;

  async function prune(): Promise<number> {
    const now = clock.now();
    const deliveries = await untilDone(
      () => sql`
        delete from mirror_data.deliveries where message_id in (
          select message_id from mirror_data.deliveries
          where received_at < ${now - DELIVERIES_MS} limit ${PER_STATEMENT})`,
    );
    const changes = await untilDone(() => pruneFeed(now - changesMs));
    const runs = await sql`
      with old as (
        delete from mirror_data.runs
        where finished_at < ${now - RUNS_MS} or (mode in ('incremental', 'sweep') and finished_at < ${now - CHECKS_MS})
        returning id)
      delete from mirror_data.windows where run_id in (select id from old)`;
    return deliveries + changes + runs.count + (await pruneLetters(now));
  }

  /**
   * Deletes rows of the feed from the oldest on, up to the first that is young. The last of the old ones stays: a reader
   * that has come as far as this row has missed nothing, and it is told so by finding its row (`changes/pages.ts`). It is
   * also the newest row where nothing has happened for long, whose position is the feed's own.
   */
  const pruneFeed = (beforeMs: number) => sql`
    with oldest as materialized (
        select position, at from mirror_data.changes order by position limit ${PER_STATEMENT + 1}),
      kept as materialized (
        select max(position) as position from oldest
        where position < coalesce((select min(position) from oldest where at >= ${beforeMs}), ${Number.MAX_SAFE_INTEGER}))
    delete from mirror_data.changes where position < (select position from kept)`;

  /**
   * Deletes dead letters that are too old, and the oldest beyond the number that may be kept. It never does so
   * without a log line.
   */
  async function pruneLetters(now: number): Promise<number> {
    const { mostLetters = MOST_LETTERS, mostLetterBytes = MOST_LETTER_BYTES } = options;
    for (let all = 0; ; ) {
      const old = await sql<{ id: string }[]>`
        select id from (
          select id, tried_at, row_number() over newest as n, sum(octet_length(payload)) over newest as bytes
          from mirror_data.dead_letters window newest as (order by tried_at desc, id desc)) as letters
        where tried_at < ${now - lettersMs} or n > ${mostLetters} or bytes > ${mostLetterBytes}
        order by tried_at, id limit ${PER_STATEMENT}`;
      if (old.length === 0) return all;
      const ids = old.map(({ id }) => id);
      const dropped = (await sql.begin((tx) => dropDeadLetters(tx, ids))) as number;
      all += dropped;
      log.warn(
        { count: dropped, ids: ids.slice(0, MOST_LOGGED) },
        "dead letters dropped: older than DEAD_LETTERS_RETENTION, or more than are kept",
      );
      if (dropped === 0) return all;
    }
  }

  async function untilDone(deleteSome: () => Promise<{ count: number }>): Promise<number> {
    for (let all = 0; ; ) {
      const { count } = await deleteSome();
      all += count;
      if (count < PER_STATEMENT) return all;
    }
  }

  const run = (signal: AbortSignal) =>
    runLoop({
      ...{ signal, step: prune, startsWith: "step", pauseMs: INTERVAL_MS },
      onFailure: (error) => log.warn({ err: error }, "old rows could not be deleted"),
    });

  return { prune, run };
}
