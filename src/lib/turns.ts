/** Those who wait for a turn of the event loop of their own, the longest waiting first. */
const waiting: (() => void)[] = [];

/**
 * Resolves in a turn of the event loop that no other caller of this function gets. Long work calls it between its parts, so
 * that all long work together holds up everything else for no longer than one part at a time.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(letOneGo);
  });
}

function letOneGo(): void {
  // An immediate that is set here runs in the next turn, after everything that has arrived meanwhile.
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(letOneGo);
}

/** How long one part may take before others get their turn. Ordinary batches take less, and never pause. */
const PART_MS = 8;

/** To be called between the steps of long work: lets others have their turn when the steps have taken long enough. */
export type Pause = () => Promise<void> | undefined;

/** Create it where the work begins: the time counts from then on. */
export function createPause(partMs: number = PART_MS): Pause {
  let begunAtMs = performance.now();
  return () => {
    if (performance.now() - begunAtMs < partMs) return undefined;
    return nextTurn().then(() => {
      begunAtMs = performance.now();
    });
  };
}

/** A turn in which others do less has nobody waiting. */
const IDLE_MS = 0.5;

/**
 * Resolves when a turn of the event loop has brought nobody else any work, and after `longestMs` at the latest. For work that goes
 * on for minutes: it takes what the others leave.
 */
export async function othersFirst(longestMs: number): Promise<void> {
  const lateMs = performance.now() + longestMs;
  for (;;) {
    const begunAtMs = performance.now();
    // What has arrived is done before immediates are.
    await new Promise((resolve) => setImmediate(resolve));
    const nowMs = performance.now();
    if (nowMs - begunAtMs < IDLE_MS || nowMs >= lateMs) return;
  }
}

/** Anything smaller is parsed, checked and printed in one go. */
export const LARGE_BYTES = 64 * 1024;
