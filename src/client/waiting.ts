import { MirrorError } from "./errors.js";

/** Resolves after `ms`, or rejects with the signal's reason as soon as it aborts. */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** From half to all of 250 ms · 2^attempt, 30 s at most. Attempts count from 0. */
export function backoffMs(attempt: number): number {
  const ceiling = Math.min(30_000, 250 * 2 ** attempt);
  return ceiling / 2 + (Math.random() * ceiling) / 2;
}

/** A signal that aborts with the caller's, or with an error of code `timeout` when too much time passes without a sign. */
export interface Watch {
  signal: AbortSignal;
  /** The time begins anew. */
  sign(): void;
  /** Call it at the end: nothing of it stays. */
  end(): void;
}

export function watch(limitMs: number, outer: AbortSignal | undefined): Watch {
  const own = new AbortController();
  const late = () =>
    own.abort(new MirrorError(`The mirror sent nothing for ${limitMs} ms.`, { status: 0, code: "timeout" }));
  const follow = () => own.abort(outer?.reason);
  let timer = setTimeout(late, limitMs);
  if (outer?.aborted) follow();
  else outer?.addEventListener("abort", follow, { once: true });
  return {
    signal: own.signal,
    sign() {
      clearTimeout(timer);
      timer = setTimeout(late, limitMs);
    },
    end() {
      clearTimeout(timer);
      outer?.removeEventListener("abort", follow);
    },
  };
}
