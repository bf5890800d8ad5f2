import { Hono } from "hono";
import { z } from "zod";
import { AppError } from "../../lib/errors.js";
import { RUN_MODES, type RunMode } from "../../sync/ledger/run-kinds.js";
import { RUN_STATES, type Run, type RunSelection, type StopOutcome } from "../../sync/ledger/runs.js";
import type { Window } from "../../sync/ledger/windows.js";
import { BODY_BYTES } from "../body-limits.js";
import { parseJsonBody } from "../json-body.js";
import { limitBody, requireScope } from "../middleware.js";
import { type HttpEnv, respondJson } from "../respond.js";

/** The runs that may be asked for. Backfills and sweeps only ever start by themselves. */
export type ReconcileMode = Exclude<RunMode, "backfill" | "sweep">;

/** Starts and stops runs on demand, and knows what became of them. */
export interface Reconciler {
  /** Queues a run and returns its id. A run that is queued already isn't queued twice. */
  start(mode: ReconcileMode): Promise<string>;
  /** Null if there is no run with this id. */
  run(id: string): Promise<Run | null>;
  /** The latest first. */
  list(limit: number, selection: RunSelection): Promise<Run[]>;
  /** The parts of the users that a run reads by themselves, in the order of their creation times. */
  windows(id: string): Promise<Window[]>;
  /** Ends a run for the key of this name, whichever process does it. */
  stop(id: string, by: string): Promise<StopOutcome>;
}

/** What could be an id at all: no text that Postgres can't hold. */
const RUN_ID = /^[\w-]{1,64}$/;
const MODES = ["incremental", "full", "dry_run"] as const satisfies readonly ReconcileMode[];
export const reconcileBody = z.object({ mode: z.enum(MODES) });
const MOST_RUNS = 100;
const DEFAULT_RUNS = 20;
/** As many users as that many windows hold have more than one page of them. */
const MOST_WINDOWS = 1000;

/** Routes to start runs, follow them and stop them. */
export function runsRoutes(reconciler: Reconciler): Hono<HttpEnv> {
  const admin = requireScope("admin");

  async function existing(id: string): Promise<Run> {
    const run = RUN_ID.test(id) ? await reconciler.run(id) : null;
    if (run) return run;
    throw new AppError("not_found", "not found", { longMessage: `No run was found with id ${id}` });
  }

  return new Hono<HttpEnv>()
    .post("/mirror/reconcile", admin, limitBody(BODY_BYTES.small), async (c) => {
      const { mode } = parseReconcileBody(await c.req.text());
      const run_id = await reconciler.start(mode);
      c.set("changedIds", [run_id]);
      return respondJson(c, { run_id }, 202);
    })
    .get("/mirror/runs", admin, async (c) => {
      const limit = limitOf(c.req.query("limit"));
      const runs = await reconciler.list(limit + 1, {
        mode: oneOf(RUN_MODES, "mode", c.req.query("mode")),
        state: oneOf(RUN_STATES, "state", c.req.query("state")),
        withDifferences: c.req.query("differences") === "true",
        before: c.req.query("before") ? (await existing(c.req.query("before") ?? "")).id : null,
      });
      const data = runs.slice(0, limit);
      return respondJson(c, { data, next: runs.length > limit ? (data.at(-1)?.id ?? null) : null });
    })
    .get("/mirror/runs/:id", admin, async (c) => respondJson(c, await existing(c.req.param("id"))))
    .get("/mirror/runs/:id/windows", admin, async (c) => {
      const windows = await reconciler.windows((await existing(c.req.param("id"))).id);
      const data = windows.slice(0, MOST_WINDOWS).map(({ position, afterMs, beforeMs, checkpoint }) => ({
        ...{ position, created_after: afterMs, created_before: beforeMs },
        done: checkpoint.done,
        begun: checkpoint.done || checkpoint.cursorId !== null || checkpoint.offset > 0,
      }));
      return respondJson(c, { data, total: windows.length });
    })
    .post("/mirror/runs/:id/stop", admin, async (c) => {
      const { id, mode } = await existing(c.req.param("id"));
      if ((await reconciler.stop(id, c.get("principal").name)) === "unstoppable") {
        throw new AppError("conflict", "This run can't be stopped.", {
          longMessage: `A ${mode} can't be stopped: the mirror would begin it again, because it isn't complete without it.`,
        });
      }
      return respondJson(c, await existing(id));
    });
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_RUNS;
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MOST_RUNS) return limit;
  throw invalid("limit", `limit must be a whole number from 1 to ${MOST_RUNS}.`);
}

function oneOf<T extends string>(values: readonly T[], name: string, text: string | undefined): T | null {
  if (text === undefined || text === "") return null;
  const value = values.find((one) => one === text);
  if (value !== undefined) return value;
  throw invalid(name, `${name} must be one of: ${values.join(", ")}`);
}

function parseReconcileBody(text: string): z.infer<typeof reconcileBody> {
  const parsed = reconcileBody.safeParse(parseJsonBody(text));
  if (parsed.success) return parsed.data;
  throw invalid("mode", `mode must be one of: ${MODES.join(", ")}`);
}

const invalid = (name: string, longMessage: string) =>
  new AppError("invalid_request", "is invalid", { longMessage, meta: { param_name: name } });
