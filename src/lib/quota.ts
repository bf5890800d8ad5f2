/** A number of requests: urgent ones, which a caller waits for, and those of the background (refetches and reconciling). */
export interface Amount {
  urgent: number;
  background: number;
  /** How many of the urgent ones are reads. None when absent. */
  reads?: number;
}

/** How much of a limit was used lately. Plain JSON, so that processes can share it. */
export interface QuotaState {
  /** `[start in ms, urgent, background, how many of the urgent ones are reads]`, the oldest first. */
  slots: [start: number, urgent: number, background: number, reads?: number][];
  /** The background is granted nothing before this moment. */
  pausedUntilMs: number;
  /** When the background's share was last lowered, and to what fraction of its full size. */
  lowered: { share: number; atMs: number };
}

export interface Limits {
  /** The most that may be granted in any `windowMs`. */
  limit: number;
  /** The fraction of the limit that the background may use. */
  backgroundShare: number;
  /** The fraction of the limit that reads may use. All of it when absent. */
  readShare?: number;
  windowMs: number;
}

export interface Grant {
  granted: Amount;
  /** When to ask for the rest. Null when everything was granted. */
  retryMs: number | null;
  /** Whether it was granted at the moment of the answer. Otherwise it may have been granted at any time since the question. */
  isFresh?: boolean;
}

/** Where requests are granted: for this process alone, or for all processes together. */
export interface QuotaStore {
  spend(wanted: Amount): Promise<Grant>;
  /** Grants the background nothing for so long, and less than before for a while. */
  pause(ms: number): Promise<void>;
}

export const NOTHING_SPENT: QuotaState = { slots: [], pausedUntilMs: 0, lowered: { share: 1, atMs: 0 } };

/** Grants within one slot, a hundredth of the window, are stored as one sum. */
const SLOTS_PER_WINDOW = 100;
/**
 * Because of a single user of the key, Clerk may ask all of them to wait for a day. It is asked again after a minute. A stored
 * pause that is longer, or was stored before the clock was set back, is cut to this too.
 */
const LONGEST_PAUSE_MS = 60_000;
/** After a 429 the background's share is lowered, for others who use the same limit. It grows back by 5 % every 10 seconds. */
const LOWERED_TO = 0.7;
const LOWEST_SHARE = 0.1;
const REGAINED_PER_MS = 0.05 / 10_000;
/** The fraction of the limit that reads and background together leave to writes, and the one that the background leaves to reads. */
const LEFT_TO_WRITES = 0.25;
const LEFT_TO_READS = 0.1;

/**
 * Grants as much as the limit leaves: urgent requests first, and among them writes before reads. No window of `windowMs` ever
 * sees more than the limit, because each grant counts until a whole window has passed since the end of its slot.
 */
export function spend(
  before: QuotaState,
  wanted: Amount,
  limits: Limits,
  nowMs: number,
): Grant & { after: QuotaState } {
  const slotMs = Math.max(1, Math.ceil(limits.windowMs / SLOTS_PER_WINDOW));
  const leavesAt = (startMs: number) => startMs + slotMs + limits.windowMs;
  // After the clock was set back, old grants must not look new.
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

function readsLeft(slots: QuotaState["slots"], background: number, limits: Limits): number {
  const { limit, readShare } = limits;
  if (readShare === undefined) return limit;
  const spent = slots.reduce((sum, [, , , reads = 0]) => sum + reads, 0);
  const besideBackground = Math.max(part(limit, 1 - LEFT_TO_WRITES) - background, part(limit, LEFT_TO_READS));
  return Math.min(part(limit, readShare), besideBackground) - spent;
}

/**
 * To be called when Clerk has answered 429 to a read of ours. The background gets nothing for `ms`, and less than its share for
 * a while after that; further 429s during the pause don't lower the share again. Urgent requests go on: Clerk itself answers each.
 */
export function pause(before: QuotaState, ms: number, nowMs: number): QuotaState {
  const bounded = boundedPause(before, nowMs);
  const pausedUntilMs = Math.max(bounded.pausedUntilMs, nowMs + Math.min(ms, LONGEST_PAUSE_MS));
  if (nowMs < bounded.pausedUntilMs) return { ...bounded, pausedUntilMs };
  const share = Math.max(LOWEST_SHARE, currentShare(bounded, nowMs) * LOWERED_TO);
  return { ...bounded, pausedUntilMs, lowered: { share, atMs: pausedUntilMs } };
}

/** The same, with its pause cut to the longest that is allowed. */
export function boundedPause(state: QuotaState, nowMs: number): QuotaState {
  const latestMs = nowMs + LONGEST_PAUSE_MS;
  const { pausedUntilMs, lowered } = state;
  if (pausedUntilMs <= latestMs && lowered.atMs <= latestMs) return state;
  return {
    ...state,
    pausedUntilMs: Math.min(pausedUntilMs, latestMs),
    lowered: { ...lowered, atMs: Math.min(lowered.atMs, latestMs) },
  };
}

/** The fraction of its full share that the background may use now. */
export function currentShare({ lowered }: Pick<QuotaState, "lowered">, nowMs: number): number {
  return Math.min(1, lowered.share + Math.max(0, nowMs - lowered.atMs) * REGAINED_PER_MS);
}

/** How much was used since then. */
export function spentSince({ slots }: QuotaState, sinceMs: number): Amount {
  return total(slots.filter(([startMs]) => startMs >= sinceMs));
}

function total(slots: QuotaState["slots"]): Amount {
  return slots.reduce(
    (sum, [, urgent, background]) => ({
      urgent: sum.urgent + urgent,
      background: sum.background + background,
    }),
    { urgent: 0, background: 0 },
  );
}

function withGranted(
  slots: QuotaState["slots"],
  { urgent, background, reads = 0 }: Amount,
  startMs: number,
): QuotaState["slots"] {
  if (urgent + background === 0) return slots;
  const last = slots.at(-1);
  if (!last || last[0] < startMs) return [...slots, [startMs, urgent, background, reads]];
  const [at, ofUrgent, ofBackground, ofReads = 0] = last;
  return [...slots.slice(0, -1), [at, ofUrgent + urgent, ofBackground + background, ofReads + reads]];
}

/** At least one, so that a small share can't stop a kind of request for ever. */
const part = (whole: number, share: number) => Math.max(1, Math.floor(whole * share));
const clamp = (wanted: number, room: number) => Math.max(0, Math.min(wanted, room));
