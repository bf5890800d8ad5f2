/** How many requests: those that somebody waits for, and those of refetches and walks. */
export interface Amount {
  urgent: number;
  background: number;
}

/** What was spent of a limit lately. Plain JSON, so that processes can share it. */
export interface Spending {
  /** `[start in ms, urgent, background]`, the oldest first. */
  slots: [number, number, number][];
  /** Nothing is granted before this moment. */
  pausedUntilMs: number;
  /** The part of the limit that was left when it was last lowered, and when that was. */
  lowered: { share: number; atMs: number };
}

export interface Limits {
  /** The most that may be granted in any `windowMs`. */
  limit: number;
  /** The most of it that may go to the background. */
  backgroundShare: number;
  windowMs: number;
}

export interface Grant {
  granted: Amount;
  /** When to ask for the rest; null: everything was granted. */
  retryMs: number | null;
}

export const NOTHING_SPENT: Spending = { slots: [], pausedUntilMs: 0, lowered: { share: 1, atMs: 0 } };

/** What is granted within so small a part of the window is kept as one number. */
const SLOTS_PER_WINDOW = 100;
/** Whoever shares the limit with us gets room after a 429; what was given up comes back by a twentieth in 10 seconds. */
const LOWERED_TO = 0.7;
const LOWEST_SHARE = 0.1;
const REGAINED_PER_MS = 0.05 / 10_000;

/**
 * Grants as much as the limit leaves, the urgent first. No window of `windowMs` ever sees more than the limit, because
 * every grant counts until the whole window has passed since the end of its slot.
 */
export function spend(
  before: Spending,
  wanted: Amount,
  limits: Limits,
  nowMs: number,
): Grant & { after: Spending } {
  const slotMs = Math.max(1, Math.ceil(limits.windowMs / SLOTS_PER_WINDOW));
  const leavesAt = (startMs: number) => startMs + slotMs + limits.windowMs;
  // A clock that was set back must not make old grants young.
  const slots = before.slots.filter(([startMs]) => leavesAt(startMs) > nowMs && startMs <= nowMs + slotMs);
  const used = total(slots);
  const limit = part(limits.limit, currentShare(before, nowMs));
  const isPaused = nowMs < before.pausedUntilMs;
  const room = isPaused ? 0 : limit - used.urgent - used.background;
  const urgent = clamp(wanted.urgent, room);
  const background = clamp(
    wanted.background,
    Math.min(room - urgent, part(limit, limits.backgroundShare) - used.background),
  );
  const granted = { urgent, background };
  const after = { ...before, slots: added(slots, granted, Math.floor(nowMs / slotMs) * slotMs) };
  if (urgent === wanted.urgent && background === wanted.background) return { after, granted, retryMs: null };
  const isFull = urgent + background >= room;
  const waitsFor = after.slots.find(([, , ofBackground]) => isFull || ofBackground > 0);
  const freeAtMs = Math.max(before.pausedUntilMs, waitsFor ? leavesAt(waitsFor[0]) : 0);
  return { after, granted, retryMs: Math.max(1, freeAtMs - nowMs) };
}

/** After a 429: nothing for so long, and then less for a while. Further 429s of the same burst change nothing more. */
export function pause(before: Spending, ms: number, nowMs: number): Spending {
  const pausedUntilMs = Math.max(before.pausedUntilMs, nowMs + ms);
  if (nowMs < before.pausedUntilMs) return { ...before, pausedUntilMs };
  const share = Math.max(LOWEST_SHARE, currentShare(before, nowMs) * LOWERED_TO);
  return { ...before, pausedUntilMs, lowered: { share, atMs: pausedUntilMs } };
}

/** How much of the limit may be used now, between 0 and 1. */
export function currentShare({ lowered }: Spending, nowMs: number): number {
  return Math.min(1, lowered.share + Math.max(0, nowMs - lowered.atMs) * REGAINED_PER_MS);
}

/** What was spent in the last `windowMs`. */
export function spentSince({ slots }: Spending, sinceMs: number): Amount {
  return total(slots.filter(([startMs]) => startMs >= sinceMs));
}

function total(slots: Spending["slots"]): Amount {
  return slots.reduce(
    (sum, [, urgent, background]) => ({
      urgent: sum.urgent + urgent,
      background: sum.background + background,
    }),
    { urgent: 0, background: 0 },
  );
}

function added(slots: Spending["slots"], { urgent, background }: Amount, startMs: number): Spending["slots"] {
  if (urgent + background === 0) return slots;
  const last = slots.at(-1);
  if (!last || last[0] < startMs) return [...slots, [startMs, urgent, background]];
  return [...slots.slice(0, -1), [last[0], last[1] + urgent, last[2] + background]];
}

/** At least one: a small share must not stop anything for ever. */
const part = (whole: number, share: number) => Math.max(1, Math.floor(whole * share));
const clamp = (wanted: number, room: number) => Math.max(0, Math.min(wanted, room));
