import type postgresType from "postgres";
import { endsWithin, sleep } from "../../lib/async.js";
import { type Connections, withLimit } from "./connections.js";

export interface Watching {
  /** How often the server is asked whether it still works on the statement. */
  lookMs?: number;
}

const LOOK_MS = 10_000;
const ANSWER_MS = 5000;
/** After so many attempts without an answer, each over a connection of its own, nobody is there any more. */
const MOST_UNSEEN = 6;

const WORKS = "works";

/**
 * Does work on `sql` that may take hours; `sql` has one connection and no limit. Another connection asks the server
 * about it. If the server had nothing to do for us at two such looks in a row, its answer was swallowed or it was
 * never asked, and the connection is ended. So `work` must not pause for that long between its statements.
 */
export async function whileServerWorks<T>(
  connections: Pick<Connections, "open">,
  sql: postgresType.Sql,
  work: () => Promise<T>,
  { lookMs = LOOK_MS }: Watching = {},
): Promise<T> {
  const [own] = await withLimit(sql, ANSWER_MS)<{ pid: number }[]>`select pg_backend_pid() as pid`;
  const ended = new AbortController();
  const watching = watch(connections, sql, own?.pid ?? 0, { lookMs, signal: ended.signal });
  try {
    return await work();
  } finally {
    ended.abort();
    await watching;
  }
}

async function watch(
  connections: Pick<Connections, "open">,
  sql: postgresType.Sql,
  pid: number,
  { lookMs, signal }: { lookMs: number; signal: AbortSignal },
): Promise<void> {
  let before: string | null = null;
  for (let unseen = 0; !signal.aborted; ) {
    await sleep(lookMs, signal).catch(() => {});
    if (signal.aborted) return;
    const seen = await look(connections, pid);
    unseen = seen === null ? unseen + 1 : 0;
    const isIdle = seen !== null && seen !== WORKS && seen === before;
    if (isIdle || unseen >= MOST_UNSEEN) return void (await sql.end({ timeout: 0 }));
    before = seen;
  }
}

/**
 * `works`, or the time since when the server has been idle. Null if it can't be asked. A role that may not see
 * others' sessions sees those of its own.
 */
async function look(connections: Pick<Connections, "open">, pid: number): Promise<string | null> {
  const probe = connections.open({
    ...{ name: "user-mirror probe", max: 1, limitMs: Number.POSITIVE_INFINITY },
    connectTimeout: ANSWER_MS / 1000,
  });
  const asked = probe<{ seen: string }[]>`
    select coalesce(
      (select case when coalesce(state, 'disabled') in ('active', 'fastpath function call', 'disabled')
        then ${WORKS} else state_change::text end
      from pg_stat_activity where pid = ${pid}), 'gone') as seen`;
  try {
    return (await endsWithin(asked, ANSWER_MS)) ? ((await asked)[0]?.seen ?? null) : null;
  } catch {
    return null;
  } finally {
    await probe.end({ timeout: 0 }).catch(() => {});
  }
}
