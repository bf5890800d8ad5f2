import { runLoop } from "../lib/loop.js";
import type { Logger } from "../observability/logger.js";

/** Notes when keys are used, for people who look for those that nobody needs any more. */
export interface KeyUse {
  /** Costs nothing that a request would wait for. */
  note(id: string): void;
  /** Writes once a minute what was noted, and once more at the end. Until aborted; never fails. */
  run(signal: AbortSignal): Promise<void>;
}

const EVERY_MS = 60_000;
/** More keys than that at a time go unnoted until the next minute. */
const MOST_NOTED = 10_000;

export function createKeyUse(options: {
  write: (used: ReadonlyMap<string, number>) => Promise<unknown>;
  nowMs: () => number;
  log: Logger;
  everyMs?: number;
}): KeyUse {
  const { write, nowMs, log, everyMs = EVERY_MS } = options;
  let used = new Map<string, number>();

  async function flush(): Promise<void> {
    if (used.size === 0) return;
    const written = used;
    used = new Map();
    await write(written);
  }
  const say = (error: Error) => log.debug({ reason: error.message }, "the use of keys could not be noted");

  return {
    note(id) {
      if (used.size < MOST_NOTED || used.has(id)) used.set(id, nowMs());
    },
    async run(signal) {
      await runLoop({ signal, step: flush, startsWith: "pause", pauseMs: everyMs, onFailure: say });
      await flush().catch(say);
    },
  };
}
