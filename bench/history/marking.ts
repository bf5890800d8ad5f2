import type { Sql, Tx } from "../../src/db/connection/sql.js";
import { randomOf } from "../people/random.js";
import { fiftyTimes, timed } from "../queries/asking.js";
import { type Line, median, spread, within } from "../report/table.js";
import { countNumbers, DAYS, LAST_DAY, markDay, visitors } from "./days.js";

/** As many as one commit brings when the server is busy. */
const BATCH = 64;
const BATCHES = 300;
const UNUSED_DAY = LAST_DAY + 7;
const MARKING_GOAL_MS = 2;
const DAILY_GOAL_MS = 1;
const SIZE_GOAL_MB = 60;

/** What the history costs a commit, how large it is, and what its numbers take in SQL. */
export async function measureMarking(
  sql: Sql,
  say: (text: string) => void,
): Promise<{ notes: string[]; lines: Line[] }> {
  const { days, megabytes } = await sizeOfHistory(sql);
  say("marking batches");
  const known = await markBatches(sql, visitors(await countNumbers(sql))(UNUSED_DAY));
  const begun = await markBatches(sql, []);
  await sql`vacuum mirror_data.active_days`;
  const lines = [
    {
      ...spread("an empty statement", await fiftyTimes(() => sql`select 1 where ${"x"}::text <> ''`)),
      goals: [],
    },
    within(`marking ${BATCH} users on a day with others`, known.first, MARKING_GOAL_MS),
    again("marking the same again", known),
    within(`marking ${BATCH} users on a day that begins`, begun.first, MARKING_GOAL_MS),
    again("marking the same again, on a day that begins", begun),
    within(`daily_users, ${DAYS} days`, await fiftyTimes(() => dailyUsers(sql)), DAILY_GOAL_MS),
  ];
  const isSmall = megabytes <= SIZE_GOAL_MB ? "met" : "not met";
  const notes = [
    `${days.toLocaleString("en")} days of users take ${megabytes.toFixed(1)} MB with their indexes (goal ≤ ${SIZE_GOAL_MB}: ${isSmall}).`,
    `To mark ${BATCH} users writes ${kilobytes(known.wal)} of WAL on a day with others, ${kilobytes(begun.wal)} on one that begins ` +
      "(medians; pages that are written whole after a checkpoint included).",
  ];
  return { lines, notes };
}

interface Marked {
  first: number[];
  again: number[];
  /** Bytes for each batch. */
  wal: number[];
  /** Rows that all batches wrote the second time. */
  rowsAgain: number;
}

/** Marks each batch twice in one transaction, on a day to come that is taken away afterwards. */
async function markBatches(sql: Sql, others: readonly number[]): Promise<Marked> {
  const users = await countNumbers(sql);
  const random = randomOf(users, 4);
  const marked: Marked = { first: [], again: [], wal: [], rowsAgain: 0 };
  await markDay(sql, UNUSED_DAY, others);
  for (let run = 0; run < BATCHES; run++) {
    const numbers = Array.from({ length: BATCH }, () => random.int(users));
    await sql.begin(async (tx) => {
      const before = await walBytes(tx);
      marked.first.push(await timed(() => markDay(tx, UNUSED_DAY, numbers)));
      marked.wal.push((await walBytes(tx)) - before);
      const written = await rowsWritten(tx);
      marked.again.push(await timed(() => markDay(tx, UNUSED_DAY, numbers)));
      marked.rowsAgain += (await rowsWritten(tx)) - written;
    });
  }
  await sql`delete from mirror_data.active_days where day = date '1970-01-01' + ${UNUSED_DAY}::integer`;
  await sql`delete from mirror_data.daily_users where day = date '1970-01-01' + ${UNUSED_DAY}::integer`;
  return marked;
}

const again = (what: string, { again, rowsAgain }: Marked): Line => ({
  ...spread(what, again),
  goals: [{ text: `writes nothing (is ${rowsAgain} rows)`, met: rowsAgain === 0 }],
});

/** By this transaction. */
async function rowsWritten(tx: Tx): Promise<number> {
  const [row] = await tx<{ rows: number }[]>`
    select sum(n_tup_ins + n_tup_upd)::bigint as rows from pg_stat_xact_user_tables
    where schemaname = 'mirror_data' and relname in ('active_days', 'daily_users')`;
  return row?.rows ?? 0;
}

async function walBytes(sql: Sql | Tx): Promise<number> {
  const [row] = await sql<{ bytes: string }[]>`select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as bytes`;
  return Number(row?.bytes);
}

async function sizeOfHistory(sql: Sql): Promise<{ days: number; megabytes: number }> {
  const [row] = await sql<{ days: number; bytes: number }[]>`
    select (select sum(bit_count(bits))::bigint from mirror_data.active_days) as days,
      pg_total_relation_size('mirror_data.active_days') as bytes`;
  return { days: row?.days ?? 0, megabytes: (row?.bytes ?? 0) / 1e6 };
}

const dailyUsers = (sql: Sql) => sql`
  select day, active from mirror.daily_users where day > current_date - ${DAYS}::integer`;

const kilobytes = (bytes: readonly number[]) => `${(median(bytes) / 1000).toFixed(1)} kB`;
