import type { Sql } from "../../db/connection/sql.js";
import { runLoop } from "../../lib/loop.js";
import { isRunStopped } from "../ledger/runs.js";

/** How often it is looked whether a person has stopped a run. */
const POLL_MS = 1000;

/** Tells of the stop of one run, whichever process was asked for it. */
export interface StopWatch {
  /** Aborts within a second or two of the stop. */
  signal: AbortSignal;
  /** Looks no more. */
  end(): void;
}

export function watchForStop(sql: Sql, runId: string): StopWatch {
  const stopped = new AbortController();
  const ended = new AbortController();
  void runLoop({
    signal: ended.signal,
    startsWith: "pause",
    pauseMs: POLL_MS,
    async step() {
      if (!(await isRunStopped(sql, runId))) return;
      stopped.abort(new Error("The run was stopped by a person."));
      ended.abort();
    },
    // The run itself finds out that the database is away.
    onFailure: () => {},
  });
  return { signal: stopped.signal, end: () => ended.abort() };
}
