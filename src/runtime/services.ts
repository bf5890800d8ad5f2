import { setMaxListeners } from "node:events";
import { endsWithin } from "../lib/async.js";

/** Work that goes on in the background from the start of the server to its end. */
export interface Service {
  name: string;
  /** Works until the signal aborts, and resolves when all its work has ended. */
  run(signal: AbortSignal): Promise<void>;
}

export interface RunningServices {
  /**
   * Tells every service to end. Returns the names of those that haven't ended within `withinMs`; they are left running.
   * Rejects when a service has failed within that time.
   */
  stop(withinMs: number): Promise<string[]>;
}

export function startServices(services: readonly Service[]): RunningServices {
  const stopping = new AbortController();
  // Every service listens to it, some in several places. By default Node warns of a leak at eleven listeners.
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
