import { setTimeout as wait } from "node:timers/promises";
import type { Random } from "../world/random.js";

/** What a request to the stand-in meets before it is answered. */
export interface HttpFault {
  /** A regular expression over `METHOD /path`; all requests where absent. */
  match?: string;
  /** How many requests it hits; without an end where absent. */
  times?: number;
  /** Passed over before the first is hit. */
  after?: number;
  /** It hits this share of them, by chance: from 0 to 1; all where absent. */
  share?: number;
  delayMs?: number;
  /** Answered with this instead of being handled. */
  status?: number;
  retryAfter?: number;
  /** With `status`; not JSON, where it is text. */
  body?: unknown;
  /** The connection is cut: before the request is handled, or after it, without an answer. */
  cut?: "before" | "after";
}

/** The faults that are switched on, asked once for each request. */
export function createFaults(random: Pick<Random, "chance">) {
  const active: HttpFault[] = [];

  function next(method: string, path: string): HttpFault | null {
    const line = `${method} ${path}`;
    for (const fault of active) {
      if (fault.match !== undefined && !new RegExp(fault.match).test(line)) continue;
      if (fault.after !== undefined && fault.after > 0) {
        fault.after--;
        continue;
      }
      if (fault.share !== undefined && !random.chance(fault.share)) continue;
      if (fault.times === undefined) return fault;
      if (fault.times > 0) {
        fault.times--;
        return fault;
      }
    }
    return null;
  }

  return {
    add(fault: HttpFault) {
      active.push({ ...fault });
    },
    clear() {
      active.length = 0;
    },
    next,
    wait: (fault: HttpFault) => (fault.delayMs === undefined ? Promise.resolve() : wait(fault.delayMs)),
  };
}

export type Faults = ReturnType<typeof createFaults>;
