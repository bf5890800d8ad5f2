/** How many requests: those that somebody waits for, and those of refetches and walks. */
export interface Amount {
  urgent: number;
  background: number;
  /** How many of the urgent are reads; absent: none. */
  reads?: number;
}

/** What was spent of a limit lately. Plain JSON, so that processes can share it. */
export interface Spending {
  /** `[start in ms, urgent, background, how many of the urgent are reads]`, the oldest first. */
  slots: [start: number, urgent: number, background: number, reads?: number][];
  /** The background is granted nothing before this moment. */
  pausedUntilMs: number;
  /** The part of its share that was left to the background when it was last lowered, and when that was. */
  lowered: { share: number; atMs: number };
}

export interface Limits {
  /** The most that may be granted in any `windowMs`. */
  limit: number;
  /** The most of it that may go to the background. */
  backgroundShare: number;
  /** The most of it that may go to reads; absent: all of it. */
  readShare?: number;
  windowMs: number;
}

export interface Grant {
  granted: Amount;
  /** When to ask for the rest; null: everything was granted. */
  retryMs: number | null;
  /** Granted as it is told, however long ago it was asked for; else it may be as old as the question. */
  isFresh?: boolean;
}

export const NOTHING_SPENT: Spending = { slots: [], pausedUntilMs: 0, lowered: { share: 1, atMs: 0 } };

/** What is granted within so small a part of the window is kept as one number. */
const SLOTS_PER_WINDOW = 100;
/**
 * Clerk may ask for a day, of all who use the key, because of one of them: after a minute it is asked again. What was
 * stored for longer, or by a clock that was set back since, is cut to this too.
 */
const LONGEST_PAUSE_MS = 60_000;
/** Whoever shares the limit with us gets room after a 429; what was given up comes back by a twentieth in 10 seconds. */
const LOWERED_TO = 0.7;
const LOWEST_SHARE = 0.1;
const REGAINED_PER_MS = 0.05 / 10_000;
/** What reads and the background together leave to writes; and what is left to reads, whatever the background has taken. */
const LEFT_TO_WRITES = 0.25;
const LEFT_TO_READS = 0.1;

/**
 * Grants as much as the limit leaves, the urgent first, and of them writes before reads. No window of `windowMs` ever sees more than the limit, because
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
  const { pausedUntilMs, lowered } = boundedPause(before, nowMs);
  const room = limits.limit - used.urgent - used.background;
  const { reads: wantedReads = 0 } = wanted;
  const writes = clamp(wanted.urgent - wantedReads, room);
  const reads = clamp(wantedReads, Math.min(room - writes, readsLeft(slots, used.background, limits)));
  const urgent = writes + reads;
  const share = part(part(limits.limit, currentShare({ lowered }, nowMs)), limits.backgroundShare);
  const shareLeft = nowMs < pausedUntilMs ? 0 : share - used.background;
  const background = clamp(wanted.background, Math.min(room - urgent, shareLeft));
  const granted = { urgent, background, ...(wanted.reads !== undefined && { reads }) };
  const added = withGranted(slots, granted, Math.floor(nowMs / slotMs) * slotMs);
  const after = { ...before, slots: added, pausedUntilMs, lowered };
  if (urgent === wanted.urgent && background === wanted.background) return { after, granted, retryMs: null };
  const isFull = urgent + background >= room;
  const lacksReads = reads < wantedReads;
  const waitsFor = after.slots.find(
    ([, , ofBackground, ofReads = 0]) => isFull || ofBackground > 0 || (lacksReads && ofReads > 0),
  );
  const freeAtMs = waitsFor ? leavesAt(waitsFor[0]) : 0;
  const mayAtMs = urgent === wanted.urgent ? Math.max(pausedUntilMs, freeAtMs) : freeAtMs;
  return { after, granted, retryMs: Math.max(1, mayAtMs - nowMs) };
}

function readsLeft(slots: Spending["slots"], background: number, limits: Limits): number {
  const { limit, readShare } = limits;
  if (readShare === undefined) return limit;
  const spent = slots.reduce((sum, [, , , reads = 0]) => sum + reads, 0);
  const besideBackground = Math.max(part(limit, 1 - LEFT_TO_WRITES) - background, part(limit, LEFT_TO_READS));
  return Math.min(part(limit, readShare), besideBackground) - spent;
}

/**
 * After Clerk said 429 to a read of ours: nothing for the background for so long, and then less for a while. Further
 * 429s of the same burst change nothing more. Those whom somebody waits for go on: Clerk tells each of them itself.
 */
export function pause(before: Spending, ms: number, nowMs: number): Spending {
  const bounded = boundedPause(before, nowMs);
  const pausedUntilMs = Math.max(bounded.pausedUntilMs, nowMs + Math.min(ms, LONGEST_PAUSE_MS));
  if (nowMs < bounded.pausedUntilMs) return { ...bounded, pausedUntilMs };
  const share = Math.max(LOWEST_SHARE, currentShare(bounded, nowMs) * LOWERED_TO);
  return { ...bounded, pausedUntilMs, lowered: { share, atMs: pausedUntilMs } };
}

/** The same, paused no longer than may be. */
export function boundedPause(spending: Spending, nowMs: number): Spending {
  const latestMs = nowMs + LONGEST_PAUSE_MS;
  const { pausedUntilMs, lowered } = spending;
  if (pausedUntilMs <= latestMs && lowered.atMs <= latestMs) return spending;
  return {
    ...spending,
    pausedUntilMs: Math.min(pausedUntilMs, latestMs),
    lowered: { ...lowered, atMs: Math.min(lowered.atMs, latestMs) },
  };
}

/** How much of its share the background may use now, between 0 and 1. */
export function currentShare({ lowered }: Pick<Spending, "lowered">, nowMs: number): number {
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

function withGranted(
  slots: Spending["slots"],
  { urgent, background, reads = 0 }: Amount,
  startMs: number,
): Spending["slots"] {
  if (urgent + background === 0) return slots;
  const last = slots.at(-1);
  if (!last || last[0] < startMs) return [...slots, [startMs, urgent, background, reads]];
  const [at, ofUrgent, ofBackground, ofReads = 0] = last;
  return [...slots.slice(0, -1), [at, ofUrgent + urgent, ofBackground + background, ofReads + reads]];
}

/** At least one: a small share must not stop anything for ever. */
const part = (whole: number, share: number) => Math.max(1, Math.floor(whole * share));
const clamp = (wanted: number, room: number) => Math.max(0, Math.min(wanted, room));
