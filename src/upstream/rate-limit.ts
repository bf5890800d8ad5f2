/** Who waits for a request to Clerk, the most urgent first: a caller of ours, …, a walk in the background. */
export const PRIORITIES = ["caller", "read", "refetch", "repair", "walk"] as const;
export type Priority = (typeof PRIORITIES)[number];

/** How many requests Clerk may still be sent. One for all parts of a process. */
export interface Budget {
  /** Resolves when one request may start now; rejects with the signal's reason. The more urgent come first. */
  take(priority: Priority, signal?: AbortSignal): Promise<void>;
  /** Clerk said 429: nothing starts for this long. */
  pause(ms: number): void;
  /** Requests that started in the current window. */
  used(): number;
}

export interface BudgetOptions {
  /** Requests that may start in any `windowMs`. */
  limit: number;
  /** The most of them that refetches and walks together may take. */
  backgroundShare: number;
  /** While true, what all processes have spent can't be told, and this one keeps to a tenth. */
  isRestricted?: () => boolean;
  windowMs?: number;
  now?: () => number;
}

interface Waiter {
  priority: Priority;
  grant: () => void;
}

const RESTRICTED_SHARE = 0.1;
/** The restriction may have ended meanwhile. */
const LONGEST_TIMER_MS = 1000;
const share = (limit: number, part: number) => Math.max(1, Math.floor(limit * part));
const isBackground = (priority: Priority) => PRIORITIES.indexOf(priority) >= PRIORITIES.indexOf("refetch");

/** A sliding window: counts the starts themselves, so that no two windows side by side add up to more than the limit. */
export function createLocalBudget(options: BudgetOptions): Budget {
  const { backgroundShare, isRestricted = () => false } = options;
  const { windowMs = 10_000, now = () => performance.now() } = options;
  const started: { atMs: number; background: boolean }[] = [];
  const waiting = new Map<Priority, Waiter[]>(PRIORITIES.map((priority) => [priority, []]));
  let pausedUntilMs = 0;
  let timer: NodeJS.Timeout | null = null;

  function forgetOld(): void {
    const oldest = now() - windowMs;
    while (started[0] && started[0].atMs <= oldest) started.shift();
  }

  function backgroundStarted(): number {
    return started.reduce((n, one) => n + Number(one.background), 0);
  }

  function next(): Waiter | null {
    const limit = isRestricted() ? share(options.limit, RESTRICTED_SHARE) : options.limit;
    if (now() < pausedUntilMs || started.length >= limit) return null;
    const backgroundMayStart = backgroundStarted() < share(limit, backgroundShare);
    for (const priority of PRIORITIES) {
      const [first] = waiting.get(priority) ?? [];
      if (first && (backgroundMayStart || !isBackground(priority))) return first;
    }
    return null;
  }

  function grantAll(): void {
    forgetOld();
    for (let waiter = next(); waiter; waiter = next()) {
      waiting.get(waiter.priority)?.shift();
      started.push({ atMs: now(), background: isBackground(waiter.priority) });
      waiter.grant();
    }
    wakeLater();
  }

  /** When the pause ends or the oldest start leaves the window, somebody may go on. */
  function wakeLater(): void {
    if (timer) clearTimeout(timer);
    timer = null;
    if (![...waiting.values()].some((queue) => queue.length > 0)) return;
    const oldest = started[0] ? started[0].atMs + windowMs : 0;
    const waitMs = Math.ceil(Math.max(pausedUntilMs, oldest) - now());
    timer = setTimeout(grantAll, Math.min(Math.max(1, waitMs), LONGEST_TIMER_MS));
  }

  return {
    take(priority, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const waiter: Waiter = { priority, grant };
        function grant() {
          signal?.removeEventListener("abort", leave);
          resolve();
        }
        function leave() {
          const queue = waiting.get(priority);
          queue?.splice(queue.indexOf(waiter), 1);
          wakeLater();
          reject(signal?.reason);
        }
        signal?.addEventListener("abort", leave, { once: true });
        waiting.get(priority)?.push(waiter);
        grantAll();
      });
    },
    pause(ms) {
      pausedUntilMs = Math.max(pausedUntilMs, now() + ms);
      wakeLater();
    },
    used() {
      forgetOld();
      return started.length;
    },
  };
}
