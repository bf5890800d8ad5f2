import { setTimeout as wait } from "node:timers/promises";
import type { Random } from "../world/random.js";

/** A fault that happens to requests before they are answered. */
export interface HttpFault {
  /** A regular expression that `METHOD /path` must match. All requests when absent. */
  match?: string;
  /** How many requests it hits. All when absent. */
  times?: number;
  /** How many requests pass before the first is hit. */
  after?: number;
  /** The chance, from 0 to 1, that it hits a request. Always when absent. */
  share?: number;
  delayMs?: number;
  /** The request isn't handled, but answered with this status. */
  status?: number;
  retryAfter?: number;
  /** The body that goes with `status`. A string is sent as plain text, not as JSON. */
  body?: unknown;
  /** The connection is cut without an answer, before the request is handled or after. */
  cut?: "before" | "after";
}

/** The active faults. They are asked once for each request. */
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
