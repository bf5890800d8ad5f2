import type { Logger } from "./logger.js";

/** `unknown`: it was sent to Clerk, and no answer came. */
type Outcome = "done" | "refused" | "failed" | "unknown";

/** Who asked for a change: a key, by its name and, where it is stored, its id; or the account that ran a command. */
type Asker = { key: string; keyId?: string | undefined } | { account: string };

/** A change that somebody asked for, and how it ended. */
export type AuditEntry = Asker & {
  /** The method and the route, or the command's name. */
  action: string;
  /** Whom or what it was about. What can't be an id is left out. */
  ids: readonly string[];
  outcome: Outcome;
  /** Of requests. */
  status?: number;
  requestId?: string;
};

/** What Clerk's ids and ours look like. Whatever else stands in a path or an argument may be a secret that was pasted there. */
const ID =
  /^(?:walk:(?:organization:|membership:)?)?(?:user|org|orgmem|orginv|idn|eac|inv|sess|key|run|msg)_\w{1,80}$/;
const MOST_IDS = 100;

export const isId = (text: unknown): text is string => typeof text === "string" && ID.test(text);

/**
 * Writes a line `audit` for each change. Unlike all other lines these have ids, since that is what they are for. LOG_LEVEL doesn't
 * take them away, unless it is `silent`: who looks for them looks when it is too late to ask for more.
 */
export function createAudit(log: Logger): (entry: AuditEntry) => void {
  // Nothing in these lines needs redacting.
  const lines = log.child({}, { redact: [], level: log.level === "silent" ? "silent" : "info" });
  return ({ outcome, requestId, ...entry }) => {
    const ids = [...new Set(entry.ids)].filter(isId).slice(0, MOST_IDS);
    lines.info({ ...entry, ids, outcome, requestId }, "audit");
  };
}

/** How a change ended whose answer has this status of HTTP. */
export function outcomeOf(status: number): Outcome {
  if (status < 400) return "done";
  if (status < 500) return "refused";
  return status === 504 ? "unknown" : "failed";
}
