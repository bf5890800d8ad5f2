import { setMaxListeners } from "node:events";
import { endsWithin } from "../lib/async.js";

/** Something that works by itself from the start of the server to its end. */
export interface Service {
  name: string;
  /** Works until aborted, and resolves when nothing of it is under way any more. */
  run(signal: AbortSignal): Promise<void>;
}

export interface RunningServices {
  /**
   * Tells all to end, and returns the names of those that haven't within `withinMs`, which are left as they are. Rejects
   * when one that ended in time has failed.
   */
  stop(withinMs: number): Promise<string[]>;
}

export function startServices(services: readonly Service[]): RunningServices {
  const stopping = new AbortController();
  // Each service waits on it, some in several places; Node takes eleven listeners for a leak and warns.
  setMaxListeners(100, stopping.signal);
  const running = new Set<string>();
  const ended = services.map(async ({ name, run }) => {
    running.add(name);
    await run(stopping.signal);
    running.delete(name);
  });
  return {
    async stop(withinMs) {
      stopping.abort();
      await endsWithin(Promise.all(ended), withinMs);
      return [...running];
    },
  };
}
