import { type Limits, NOTHING_SPENT, pause, type QuotaStore, spend } from "../lib/quota.js";
import { createReaders, OWN, type ReaderLimits } from "./readers.js";

/** Who waits for a request to Clerk, the most urgent first: a caller of ours, …, a walk in the background. */
export const PRIORITIES = ["caller", "read", "refetch", "repair", "walk"] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Where requests to Clerk wait until the quota has room for them. A process has one. */
export interface RequestQueue {
  /**
   * Resolves when one request may start now; rejects with the signal's reason, and at once where `key`, for whom something
   * is read, has had its share. The more urgent come first.
   */
  take(priority: Priority, signal?: AbortSignal, key?: string): Promise<void>;
  /** Clerk said 429 to a read of ours: the background starts nothing for so long, and less than before for a while. */
  pause(ms: number): void;
  /** How many requests wait, by their part of the budget. */
  waiting(): Record<BudgetPart, number>;
}

type Waiter = () => void;

/** A grant that is older isn't used any more: the store counts on that. */
const GRANT_EXPIRES_MS = 1000;
/** After so long the store is asked again, since another process may have paused, or a pause may have ended. */
const LONGEST_WAIT_MS = 1000;

/** What is granted apart: the first two are urgent. */
export const BUDGET_PARTS = ["writes", "reads", "background"] as const;
export type BudgetPart = (typeof BUDGET_PARTS)[number];

/** The part of the budget that a request is paid from. */
export function budgetPartOf(priority: Priority): BudgetPart {
  if (priority === "caller") return "writes";
  return priority === "read" ? "reads" : "background";
}

export interface RequestQueueOptions {
  now?: () => number;
  readers?: ReaderLimits;
}

const UNLIMITED: ReaderLimits = { mostPerKey: Number.POSITIVE_INFINITY, windowMs: 0 };

/**
 * Requests start in the order of their priorities, and within one in the order in which they came; reads take turns by key.
 * The store is asked one question at a time, for all that wait. What comes meanwhile is in the next question: so many
 * requests cost one question, and a single request is never delayed in order to collect more.
 */
export function createRequestQueue(store: QuotaStore, options: RequestQueueOptions = {}): RequestQueue {
  const { now = () => performance.now(), readers: limits = UNLIMITED } = options;
  const readers = createReaders<Waiter>(limits, now);
  const others = new Map<Priority, Waiter[]>(
    PRIORITIES.filter((priority) => priority !== "read").map((priority) => [priority, []]),
  );
  let timer: NodeJS.Timeout | null = null;
  let asking = false;
  /** Before this moment the store grants nothing of the kind. */
  const emptyUntilMs: Record<BudgetPart, number> = { writes: 0, reads: 0, background: 0 };

  function waiting(): Record<BudgetPart, number> {
    const amount = { writes: 0, reads: readers.length, background: 0 };
    for (const [priority, queue] of others) amount[budgetPartOf(priority)] += queue.length;
    return amount;
  }

  function wanted(): Record<BudgetPart, number> {
    const amount = waiting();
    for (const kind of BUDGET_PARTS) if (now() < emptyUntilMs[kind]) amount[kind] = 0;
    return amount;
  }

  async function serve(): Promise<void> {
    if (asking) return;
    asking = true;
    try {
      for (let amount = wanted(); BUDGET_PARTS.some((kind) => amount[kind] > 0); amount = wanted()) {
        const askedAtMs = now();
        const { writes, reads, background } = amount;
        const { granted, retryMs, isFresh } = await store.spend({
          ...{ urgent: writes + reads, background },
          ...(reads > 0 && { reads }),
        });
        if (!isFresh && now() - askedAtMs > GRANT_EXPIRES_MS) continue;
        const { reads: readsGranted = 0 } = granted;
        const given = { ...granted, writes: granted.urgent - readsGranted, reads: readsGranted };
        const untilMs = now() + Math.min(retryMs ?? 0, LONGEST_WAIT_MS);
        for (const kind of BUDGET_PARTS) if (given[kind] < amount[kind]) emptyUntilMs[kind] = untilMs;
        handOut(given);
      }
    } finally {
      asking = false;
    }
    wakeLater();
  }

  function handOut(granted: Record<BudgetPart, number>): void {
    const left = { ...granted };
    for (const [priority, queue] of others) {
      const kind = budgetPartOf(priority);
      for (; left[kind] > 0 && queue.length > 0; left[kind]--) queue.shift()?.();
    }
    for (; left.reads > 0 && readers.length > 0; left.reads--) readers.shift()?.();
  }

  function wakeLater(): void {
    if (timer) clearTimeout(timer);
    timer = null;
    const amount = waiting();
    const kinds = BUDGET_PARTS.filter((kind) => amount[kind] > 0);
    if (kinds.length === 0) return;
    const untilMs = Math.min(...kinds.map((kind) => emptyUntilMs[kind]));
    timer = setTimeout(() => void serve(), Math.max(1, Math.ceil(untilMs - now())));
  }

  return {
    take(priority, signal, key = OWN) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        function grant() {
          signal?.removeEventListener("abort", leave);
          resolve();
        }
        function leave() {
          const queue = others.get(priority);
          if (queue) queue.splice(queue.indexOf(grant), 1);
          else readers.remove(key, grant);
          reject(signal?.reason);
        }
        if (priority === "read") readers.place(key, grant);
        else others.get(priority)?.push(grant);
        signal?.addEventListener("abort", leave, { once: true });
        void serve();
      });
    },
    pause(ms) {
      void store.pause(ms);
    },
    waiting,
  };
}

export interface LocalLimits extends Omit<Limits, "windowMs"> {
  windowMs?: number;
  now?: () => number;
}

/** A quota that only this process spends. */
export function createLocalQuotaStore(options: LocalLimits): QuotaStore {
  const { windowMs = 10_000, now = () => performance.now(), ...limits } = options;
  let state = NOTHING_SPENT;
  return {
    async spend(wanted) {
      const { after, ...grant } = spend(state, wanted, { ...limits, windowMs }, now());
      state = after;
      return grant;
    },
    async pause(ms) {
      state = pause(state, ms, now());
    },
  };
}
