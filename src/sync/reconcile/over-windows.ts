import { createGate } from "../../lib/async.js";
import { AppError } from "../../lib/errors.js";
import { fenced, LeaseLost } from "../ledger/lease.js";
import {
  describeBounds,
  loadWindows,
  START,
  saveCheckpoint,
  saveWindows,
  type Window,
} from "../ledger/windows.js";
import type { RunContext } from "./run-context.js";

/** How many windows are read side by side: enough to use the quota although each answer takes its time. */
const AT_ONCE = 8;

/** The windows of this run, planned once. */
export async function plannedWindows(
  run: RunContext,
  plan: (run: RunContext) => Promise<Window[]>,
): Promise<Window[]> {
  const { sql, fence, runId } = run;
  const windows = await loadWindows(sql, runId);
  if (windows.length > 0) return windows;
  const planned = await plan(run);
  await fenced(sql, fence, (tx) => saveWindows(tx, runId, planned));
  return planned;
}

/**
 * Does the work for each window that is still open, several at a time. One that fails doesn't stop the others; in the
 * end the failure says which were left open.
 */
export async function overWindows(
  { signal, beforeWindow }: RunContext,
  windows: readonly Window[],
  work: (window: Window) => Promise<void>,
): Promise<void> {
  const gate = createGate(AT_ONCE);
  const open: { window: Window; error: Error }[] = [];
  let fatal: unknown = null;
  await Promise.all(
    windows.map((window) =>
      gate(async () => {
        if (window.checkpoint.done || fatal !== null) return;
        try {
          await beforeWindow();
          await work(window);
        } catch (error) {
          if (isFatal(error, signal)) fatal = error;
          else open.push({ window, error: error as Error });
        }
      }),
    ),
  );
  if (fatal !== null) throw fatal;
  const [first] = open;
  if (!first) return;
  const which = open.map(({ window }) => describeBounds(window)).slice(0, 5);
  throw new AppError(
    "upstream_unavailable",
    `${open.length} of ${windows.length} windows were left open: ${which.join("; ")}. ${first.error.message}`,
    { cause: first.error },
  );
}

/** Whether the other windows would fail in the same way. */
function isFatal(error: unknown, signal: AbortSignal): boolean {
  const rejected = error instanceof AppError && /^(upstream_rejected|loop_detected)$/.test(error.code);
  return rejected || error instanceof LeaseLost || signal.aborted;
}

export async function closeWindow({ sql, fence, runId }: RunContext, { position }: Window): Promise<void> {
  const at = { runId, what: "users", position } as const;
  await fenced(sql, fence, (tx) => saveCheckpoint(tx, at, { ...START, done: true }));
}
