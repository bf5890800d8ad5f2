import type { Context, MiddlewareHandler } from "hono";
import { createAudit, isId, outcomeOf } from "../observability/audit.js";
import type { Logger } from "../observability/logger.js";
import type { HttpEnv } from "./respond.js";
import { routeName } from "./route-name.js";

/** Routes that are asked by POST because their questions are long. They change nothing. */
const QUESTIONS = new Set([
  "/mirror/users/query",
  "/mirror/users/lookup",
  "/mirror/users/aggregate",
  "/mirror/users/retention",
  "/mcp",
]);

const READS = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Writes a line for each change that a key asked for, and each that it was refused: who, what, about which ids, how it ended. It
 * stands behind `authenticated`. Ids aside, nothing of a path is in it, and nothing of a query or a body.
 */
export function auditChanges(log: Logger): MiddlewareHandler<HttpEnv> {
  const audit = createAudit(log);
  return (c, next) => {
    if (READS.has(c.req.method)) return next();
    return next().then(() => {
      const route = routeName(c);
      if (QUESTIONS.has(route)) return;
      const { id: keyId, name: key } = c.get("principal");
      const { status } = c.res;
      const entry = { key, keyId, action: `${c.req.method} ${route}`, ids: idsOf(c), status };
      audit({ ...entry, outcome: outcomeOf(status), requestId: c.get("requestId") });
    });
  };
}

/** Those in the path, and those that the answer named: of what was made, or was named in the body. */
const idsOf = (c: Context<HttpEnv>): string[] => [
  ...c.req.path.split("/").map(decoded),
  ...(c.get("changedIds") ?? []),
];

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}

const MOST_BYTES_READ = 1024 * 1024;

/** The ids of the objects that Clerk's answer to a change shows: one object, or a list of them. */
export function idsInAnswer(body: Buffer): string[] {
  if (body.length === 0 || body.length > MOST_BYTES_READ) return [];
  try {
    const answer: unknown = JSON.parse(body.toString("utf8"));
    const objects: unknown[] = Array.isArray(answer) ? answer : [answer];
    return objects.map((one) => (one as { id?: unknown } | null)?.id).filter(isId);
  } catch {
    return [];
  }
}
