import type { Context, MiddlewareHandler } from "hono";
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

/** What Clerk's ids and ours look like. Whatever else stands in a path may be a secret that was pasted there. */
const ID =
  /^(?:walk:(?:organization:|membership:)?)?(?:user|org|orgmem|orginv|idn|eac|inv|sess|key|run|msg)_\w{1,80}$/;
const MOST_IDS = 100;

/**
 * Writes a line for each change that a key asked for, and each that it was refused: who, what, about which ids, how it ended. It
 * stands behind `authenticated`. Unlike all other lines these have ids, since that is what they are for; nothing else of a path, and
 * nothing of a query or a body.
 */
export function auditChanges(log: Logger): MiddlewareHandler<HttpEnv> {
  // Nothing in these lines needs redacting.
  const lines = log.child({}, { redact: [] });
  return (c, next) => {
    if (READS.has(c.req.method)) return next();
    return next().then(() => {
      const route = routeName(c);
      if (QUESTIONS.has(route)) return;
      const { id: keyId, name: key } = c.get("principal");
      const { status } = c.res;
      const entry = { key, keyId, action: `${c.req.method} ${route}`, ids: idsOf(c), status };
      lines.info({ ...entry, outcome: outcomeOf(status), requestId: c.get("requestId") }, "audit");
    });
  };
}

/** Those in the path, and those that the answer named: of what was made, or was named in the body. */
function idsOf(c: Context<HttpEnv>): string[] {
  const inPath = c.req.path.split("/").map(decoded).filter(isId);
  return [...new Set([...inPath, ...(c.get("changedIds") ?? [])])].slice(0, MOST_IDS);
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}

const isId = (text: unknown): text is string => typeof text === "string" && ID.test(text);

/** `unknown`: it was sent to Clerk, and no answer came. */
function outcomeOf(status: number): "done" | "refused" | "failed" | "unknown" {
  if (status < 400) return "done";
  if (status < 500) return "refused";
  return status === 504 ? "unknown" : "failed";
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
