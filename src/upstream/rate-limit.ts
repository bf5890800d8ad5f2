import { type Amount, type Grant, type Limits, NOTHING_SPENT, pause, spend } from "../lib/spending.js";

/** Who waits for a request to Clerk, the most urgent first: a caller of ours, …, a walk in the background. */
export const PRIORITIES = ["caller", "read", "refetch", "repair", "walk"] as const;
export type Priority = (typeof PRIORITIES)[number];

/** How many requests Clerk may still be sent. One for all parts of a process. */
export interface Budget {
  /** Resolves when one request may start now; rejects with the signal's reason. The more urgent come first. */
  take(priority: Priority, signal?: AbortSignal): Promise<void>;
  /** Clerk said 429 to a read of ours: the background starts nothing for so long, and less than before for a while. */
  pause(ms: number): void;
}

/** Where a budget's requests are granted: in this process, or by all of them together. */
export interface Allowance {
  spend(wanted: Amount): Promise<Grant>;
  pause(ms: number): Promise<void>;
}

interface Waiter {
  priority: Priority;
  grant: () => void;
}

/** What was granted longer ago isn't used any more: those who granted it count on that. */
export const GRANT_EXPIRES_MS = 1000;
/** Somebody may have paused, or given back, meanwhile. */
const LONGEST_WAIT_MS = 1000;
const isBackground = (priority: Priority) => PRIORITIES.indexOf(priority) >= PRIORITIES.indexOf("refetch");

/**
 * Those who wait, by priority, and then by age. Whoever waits while an allowance is being asked goes into the next
 * question: many requests cost one question, and a single one is never put off.
 */
export function createBudget(allowance: Allowance, now: () => number = () => performance.now()): Budget {
  const waiting = new Map<Priority, Waiter[]>(PRIORITIES.map((priority) => [priority, []]));
  let timer: NodeJS.Timeout | null = null;
  let asking = false;
  /** No use asking earlier for anything of the kind. */
  const emptyUntilMs = { urgent: 0, background: 0 };

  function wanted(): Amount {
    const amount = { urgent: 0, background: 0 };
    for (const [priority, queue] of waiting)
      amount[isBackground(priority) ? "background" : "urgent"] += queue.length;
    for (const kind of ["urgent", "background"] as const) if (now() < emptyUntilMs[kind]) amount[kind] = 0;
    return amount;
  }

  async function serve(): Promise<void> {
    if (asking) return;
    asking = true;
    try {
      for (let amount = wanted(); amount.urgent + amount.background > 0; amount = wanted()) {
        const askedAtMs = now();
        const { granted, retryMs } = await allowance.spend(amount);
        if (now() - askedAtMs > GRANT_EXPIRES_MS) continue;
        handOut(granted);
        const untilMs = now() + Math.min(retryMs ?? 0, LONGEST_WAIT_MS);
        if (granted.urgent < amount.urgent) emptyUntilMs.urgent = untilMs;
        if (granted.background < amount.background) emptyUntilMs.background = untilMs;
      }
    } finally {
      asking = false;
    }
    wakeLater();
  }

  function handOut(granted: Amount): void {
    const left = { ...granted };
    for (const [priority, queue] of waiting) {
      const kind = isBackground(priority) ? "background" : "urgent";
      for (; left[kind] > 0 && queue.length > 0; left[kind]--) queue.shift()?.grant();
    }
  }

  function wakeLater(): void {
    if (timer) clearTimeout(timer);
    timer = null;
    const kinds = [...waiting].flatMap(([priority, queue]) =>
      queue.length > 0 ? [isBackground(priority) ? ("background" as const) : ("urgent" as const)] : [],
    );
    if (kinds.length === 0) return;
    const untilMs = Math.min(...kinds.map((kind) => emptyUntilMs[kind]));
    timer = setTimeout(() => void serve(), Math.max(1, Math.ceil(untilMs - now())));
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
          reject(signal?.reason);
        }
        signal?.addEventListener("abort", leave, { once: true });
        waiting.get(priority)?.push(waiter);
        void serve();
      });
    },
    pause(ms) {
      void allowance.pause(ms);
    },
  };
}

export interface LocalLimits extends Omit<Limits, "windowMs"> {
  windowMs?: number;
  now?: () => number;
}

/** An allowance that only this process spends. */
export function createLocalAllowance(options: LocalLimits): Allowance {
  const { windowMs = 10_000, now = () => performance.now(), ...limits } = options;
  let spending = NOTHING_SPENT;
  return {
    async spend(wanted) {
      const { after, ...grant } = spend(spending, wanted, { ...limits, windowMs }, now());
      spending = after;
      return grant;
    },
    async pause(ms) {
      spending = pause(spending, ms, now());
    },
  };
}
