import { sleep } from "./async.js";
import { errorOf } from "./errors.js";

export interface LoopOptions {
  /** Ends the loop. */
  signal: AbortSignal;
  /** One round of the work. A step that can take long should heed the signal: the loop waits for the step that is running. */
  step: (signal: AbortSignal) => unknown;
  /** Whether the first step comes at once, or after the first pause. */
  startsWith: "step" | "pause";
  /** Between the end of a step and the next one; given how many steps in a row have failed, 0 after one that succeeded. */
  pauseMs: number | ((failures: number) => number);
  /** Told of every step that fails, except after the abort. Without it a failure is a bug: it ends the loop, which rejects. */
  onFailure?: (error: Error) => void;
}

/**
 * Runs a step again and again, with a pause in between, until the signal aborts. Steps never overlap. The abort ends a
 * pause at once; when a step is running, the loop ends together with it. Resolves then, and rejects only as `onFailure` says.
 */
export async function runLoop({ signal, step, startsWith, pauseMs, onFailure }: LoopOptions): Promise<void> {
  let failures = 0;
  const pause = () =>
    sleep(typeof pauseMs === "number" ? pauseMs : pauseMs(failures), signal).catch(() => {});

  if (startsWith === "pause") await pause();
  while (!signal.aborted) {
    try {
      await step(signal);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (!onFailure) throw error;
      failures++;
      onFailure(errorOf(error));
    }
    await pause();
  }
}

/** A pause that can be ended early, for one who sleeps at a time. */
export interface WakeableSleep {
  /** Resolves after `ms`, or as soon as it is woken or the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Ends the pause that is running. It isn't remembered for the next one: note the reason before, look at it after. */
  wake(): void;
}

export function createWakeableSleep(): WakeableSleep {
  let wake = () => {};
  return {
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const timer = setTimeout(end, Math.max(0, ms));
        function end() {
          clearTimeout(timer);
          signal.removeEventListener("abort", end);
          resolve();
        }
        signal.addEventListener("abort", end, { once: true });
        wake = end;
      }),
    wake: () => wake(),
  };
}
