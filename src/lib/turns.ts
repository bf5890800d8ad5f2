/** What waits for a turn of the event loop of its own, the longest first. */
const waiting: (() => void)[] = [];

/**
 * Resolves in a turn of the event loop that no other caller of this gets: whoever has much to do does a part of it, and
 * calls this before the next. So all that can be large, together, holds up everybody else for one part at a time.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(letOneGo);
  });
}

function letOneGo(): void {
  // What an immediate schedules runs in the next turn, behind whatever has arrived meanwhile.
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(letOneGo);
}

/** How long one part may take before others have their turn. Ordinary batches are done sooner, and never wait. */
const PART_MS = 8;

/** Called between the steps of one piece of work: lets others have their turn once the steps have taken long enough. */
export type Pause = () => Promise<void> | undefined;

/** Make it where the work begins: the time counts from there. */
export function createPause(partMs: number = PART_MS): Pause {
  let begunAtMs = performance.now();
  return () => {
    if (performance.now() - begunAtMs < partMs) return undefined;
    return nextTurn().then(() => {
      begunAtMs = performance.now();
    });
  };
}

/** What is smaller is read, checked and printed at once. */
export const LARGE_BYTES = 64 * 1024;
