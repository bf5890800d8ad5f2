import { Hono } from "hono";
import { requireScope } from "../middleware.js";
import { type HttpEnv, respondJson } from "../respond.js";
import { type Reconciler, runsRoutes } from "./runs.js";

/** Reads how the mirror is doing, as JSON values. */
export interface StatusReader {
  read(): Promise<object>;
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

/** Routes for what only the mirror itself can tell or do. */
export function adminRoutes({ configuration, status, reconciler }: AdminDeps): Hono<HttpEnv> {
  const admin = requireScope("admin");
  return new Hono<HttpEnv>()
    .get("/mirror/status", admin, async (c) => respondJson(c, await status.read()))
    .get("/mirror/config", admin, (c) => respondJson(c, { data: configuration() }))
    .route("/", runsRoutes(reconciler));
}
