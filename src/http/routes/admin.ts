import { Hono } from "hono";
import { z } from "zod";
import { AppError } from "../../lib/errors.js";
import type { RunMode } from "../../sync/ledger/run-kinds.js";
import type { Run } from "../../sync/ledger/runs.js";
import { limitBody, requireScope } from "../middleware.js";
import { type HttpEnv, respondJson } from "../respond.js";

/** Reads how the mirror is doing, as JSON values. */
export interface StatusReader {
  read(): Promise<object>;
}

/** The runs that may be asked for. Backfills and sweeps only ever start by themselves. */
export type ReconcileMode = Exclude<RunMode, "backfill" | "sweep">;

/** Starts runs on demand, and knows what became of them. */
export interface Reconciler {
  /** Queues a run and returns its id. A run that is queued already isn't queued twice. */
  start(mode: ReconcileMode): Promise<string>;
  /** Null if there is no run with this id. */
  run(id: string): Promise<Run | null>;
}

/** A variable of the environment and what holds. Secrets are masked. */
export interface ShownVariable {
  name: string;
  description: string;
  value: string | null;
  default: string;
  source: string;
  secret: boolean;
}

export interface AdminDeps {
  /** The configuration of this process. */
  configuration: () => readonly ShownVariable[];
  status: StatusReader;
  reconciler: Reconciler;
}

/** What could be an id at all: no text that Postgres can't hold. */
const RUN_ID = /^[\w-]{1,64}$/;
const MAX_BODY_BYTES = 64 * 1024;
const MODES = ["incremental", "full", "dry_run"] as const satisfies readonly ReconcileMode[];
export const reconcileBody = z.object({ mode: z.enum(MODES) });

/** Routes for what only the mirror itself can tell or do. */
export function adminRoutes({ configuration, status, reconciler }: AdminDeps): Hono<HttpEnv> {
  const admin = requireScope("admin");
  return new Hono<HttpEnv>()
    .get("/mirror/status", admin, async (c) => respondJson(c, await status.read()))
    .get("/mirror/config", admin, (c) => respondJson(c, { data: configuration() }))
    .post("/mirror/reconcile", admin, limitBody(MAX_BODY_BYTES), async (c) => {
      const { mode } = parseReconcileBody(await c.req.text());
      const run_id = await reconciler.start(mode);
      c.set("changedIds", [run_id]);
      return respondJson(c, { run_id }, 202);
    })
    .get("/mirror/runs/:id", admin, async (c) => {
      const id = c.req.param("id");
      const run = RUN_ID.test(id) ? await reconciler.run(id) : null;
      if (!run)
        throw new AppError("not_found", "not found", { longMessage: `No run was found with id ${id}` });
      return respondJson(c, run);
    });
}

function parseReconcileBody(text: string): z.infer<typeof reconcileBody> {
  const parsed = reconcileBody.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new AppError("invalid_request", "is invalid", {
    longMessage: `mode must be one of: ${MODES.join(", ")}`,
    meta: { param_name: "mode" },
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError("invalid_payload", "The body is not JSON.", { cause });
  }
}
