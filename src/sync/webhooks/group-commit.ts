import { AppError } from "../../lib/errors.js";
import { createKeyCounts } from "../../lib/key-counts.js";
import { createPatience } from "../../lib/patience.js";

/** An item that couldn't be committed because another session holds a lock on one of `keys`. It is tried again for a while. */
export class Stuck {
  constructor(readonly keys: readonly string[]) {}
}

export interface GroupCommitOptions<T, R> {
  /**
   * Commits a batch and returns a result for each of its items, in order. If it rejects, no item of the batch counts as done.
   * `again`: these items were stuck before, and most of them will be stuck still.
   */
  commit: (batch: readonly T[], again: boolean) => Promise<readonly (R | Stuck)[]>;
  /** The keys of what an item writes. An item that shares a key with a stuck one waits with it, apart from the others. */
  keysOf?: (item: T) => readonly string[];
  /** How many batches are committed at once, at most. */
  slots?: number;
  /** Beside a running batch the next begins when so many wait, or as many as it has itself. */
  enough?: number;
  /** How long the next batch waits for that at most: one that runs for longer may hang. */
  besideMs?: number;
  mostPerBatch?: number;
  /** A batch has no more bytes than this, unless it is a single item: work on a batch blocks the process longer the larger it is. */
  mostBytesPerBatch?: number;
  /** If this many items, or bytes, are waiting, further items are refused. Their senders keep them, and our memory needn't. */
  mostWaiting?: number;
  mostBytesWaiting?: number;
  /** The same limit for stuck items. */
  mostStuck?: number;
  /** How long an item may wait before it is refused. One that is being committed at that moment gets the result of the commit. */
  patienceMs?: number;
}

export interface GroupCommit<T, R> {
  /**
   * Resolves when the item is committed. Rejects with `database_unavailable` if too many items wait already, or if it has
   * waited too long.
   */
  submit(item: T, bytes?: number): Promise<R>;
  /** How many items wait; stuck: behind a lock. */
  waiting(): { small: number; large: number; stuck: number };
}

interface Waiting<T, R> {
  readonly item: T;
  readonly bytes: number;
  /** The line in which it waits. Null: it is being committed. */
  line: Line<T, R> | null;
  /** The locked keys for which it is stuck. Empty: it isn't stuck. */
  stuckFor: readonly string[];
  /** Whether it has waited as long as it may. */
  isLate: boolean;
  resolve: (result: R) => void;
  reject: (error: unknown) => void;
}

/** A batch of ordinary events is a sixth of this. A mebibyte of users takes about 50 ms to hash, print and send. */
const MOST_BYTES_PER_BATCH = 256 * 1024;
/** Larger items wait in a line of their own with one slot, so that a small item never waits behind ten of them. */
const LARGE_SHARE = 1 / 4;
/**
 * Svix waits 15 seconds. A commit that has begun by then ends within the rest of that time, because its waits for locks are
 * limited: so nothing that was refused is stored.
 */
const PATIENCE_MS = 9000;
const GRACE_MS = 5500;
/**
 * Each answer brings its sender's next event. With 64 senders, and batches that began whenever a slot was free, the first few of
 * these made a batch of their own: 37 % of all had fewer than ten events. Now it is 7 %.
 */
const ENOUGH = 20;
const BESIDE_MS = 50;
/** How often stuck items are tried again. */
const AGAIN_MS = 200;

/**
 * Commits everything that waits in one batch. While none runs, a single item is committed at once, and what comes meanwhile
 * gathers: so batches grow with the load. A second batch beside the first keeps the database busy, but only where it has
 * enough items to be worth its own transaction. That has 2.7 to 4.7 times the throughput of one transaction for each item.
 * Items that are stuck behind a lock wait apart and take no slot.
 */
export function createGroupCommit<T, R>(options: GroupCommitOptions<T, R>): GroupCommit<T, R> {
  const { commit, slots = 2, mostPerBatch = 64, mostBytesPerBatch = MOST_BYTES_PER_BATCH } = options;
  const { mostWaiting = 5000, mostBytesWaiting = 64 * 1024 * 1024, mostStuck = 1000 } = options;
  const { keysOf = () => [], patienceMs = PATIENCE_MS, enough = ENOUGH, besideMs = BESIDE_MS } = options;
  const lines = { small: createLine<T, R>(), large: createLine<T, R>(), stuck: createLine<T, R>() };
  const stuckKeys = createKeyCounts();
  const patience = createPatience(patienceMs, giveUp);
  const running = { small: 0, large: 0 };
  /** The batch of small items that began last. */
  let latest = { size: 0, mayHang: false };
  let isRetrying = false;

  const hasRoomFor = (bytes: number) =>
    lines.small.waiting.length + lines.large.waiting.length < mostWaiting &&
    lines.small.bytes + lines.large.bytes + lines.stuck.bytes + bytes <= mostBytesWaiting;

  function startNext(): void {
    while (running.small + running.large < slots) {
      const kind = lines.large.waiting.length > 0 && running.large === 0 ? "large" : "small";
      if (lines[kind].waiting.length === 0 || (kind === "small" && !isWorthwhile())) return;
      const batch = takeBatch(lines[kind]);
      if (kind === "small") watch(batch.length);
      running[kind]++;
      void run(batch, false).finally(() => {
        running[kind]--;
        startNext();
      });
    }
  }

  /** Whether what waits shall begin, be it beside what runs. */
  const isWorthwhile = () =>
    running.small === 0 || latest.mayHang || lines.small.waiting.length >= Math.min(latest.size, enough);

  /** Asks again once this batch has run for so long that it may hang. */
  function watch(size: number): void {
    const batch = { size, mayHang: false };
    latest = batch;
    setTimeout(() => {
      batch.mayHang = true;
      startNext();
    }, besideMs).unref();
  }

  function takeBatch(line: Line<T, R>): Waiting<T, R>[] {
    let [count, bytes] = [0, 0];
    for (const one of line.waiting) {
      if (count === mostPerBatch || (count > 0 && bytes + one.bytes > mostBytesPerBatch)) break;
      one.line = null;
      count++;
      bytes += one.bytes;
    }
    line.bytes -= bytes;
    return line.waiting.splice(0, count);
  }

  async function run(batch: readonly Waiting<T, R>[], again: boolean): Promise<void> {
    const items = batch.map(({ item }) => item);
    try {
      const results = await commit(items, again);
      for (const [index, one] of batch.entries()) {
        const result = results[index];
        letGo(one);
        if (result instanceof Stuck) setApart(one, result.keys);
        else {
          patience.end(one);
          one.resolve(result as R);
        }
      }
    } catch (error) {
      for (const one of batch) {
        letGo(one);
        refuse(one, error);
      }
    }
  }

  function refuse(one: Waiting<T, R>, error: unknown): void {
    patience.end(one);
    one.reject(error);
  }

  function setApart(one: Waiting<T, R>, keys: readonly string[]): void {
    if (one.isLate || lines.stuck.waiting.length >= mostStuck) {
      refuse(one, one.isLate ? tooLate() : tooMany());
      return;
    }
    one.stuckFor = keys;
    stuckKeys.add(keys);
    enter(lines.stuck, one);
    void retryStuck();
  }

  function letGo(one: Waiting<T, R>): void {
    stuckKeys.remove(one.stuckFor);
    one.stuckFor = [];
  }

  /** Tries stuck items in turns: those that stay stuck go behind those that weren't tried yet. */
  async function retryStuck(): Promise<void> {
    if (isRetrying) return;
    isRetrying = true;
    while (lines.stuck.waiting.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS).unref());
      // Their keys stay listed meanwhile, so that new items with one of them wait here and not in a slot.
      const batch = takeBatch(lines.stuck);
      if (batch.length > 0) await run(batch, true);
    }
    isRetrying = false;
  }

  function giveUp(one: Waiting<T, R>): void {
    one.isLate = true;
    if (one.line === null) {
      setTimeout(() => one.reject(tooLate()), GRACE_MS).unref();
      return;
    }
    leave(one.line, one);
    letGo(one);
    one.reject(tooLate());
  }

  return {
    waiting: () => ({
      small: lines.small.waiting.length,
      large: lines.large.waiting.length,
      stuck: lines.stuck.waiting.length,
    }),
    submit(item, bytes = 0) {
      if (!hasRoomFor(bytes)) return Promise.reject(tooMany());
      return new Promise((resolve, reject) => {
        const one: Waiting<T, R> = {
          item,
          bytes,
          line: null,
          stuckFor: [],
          isLate: false,
          resolve,
          reject,
        };
        patience.begin(one);
        const shared = stuckKeys.known(keysOf, item);
        if (shared.length > 0) return void setApart(one, shared);
        enter(bytes > mostBytesPerBatch * LARGE_SHARE ? lines.large : lines.small, one);
        // Begins after everything that has arrived by now was read, so that it is committed together.
        if (running.small + running.large < slots) setImmediate(startNext);
      });
    },
  };
}

/** Items in the order in which they came, and the sum of their bytes. */
interface Line<T, R> {
  waiting: Waiting<T, R>[];
  bytes: number;
}

const createLine = <T, R>(): Line<T, R> => ({ waiting: [], bytes: 0 });

function enter<T, R>(line: Line<T, R>, one: Waiting<T, R>): void {
  one.line = line;
  line.waiting.push(one);
  line.bytes += one.bytes;
}

function leave<T, R>(line: Line<T, R>, one: Waiting<T, R>): void {
  line.waiting.splice(line.waiting.indexOf(one), 1);
  line.bytes -= one.bytes;
}

const tooMany = () => unavailable("More webhooks wait than can be committed. Send this one again later.");
const tooLate = () => unavailable("This webhook couldn't be committed in time. Send it again later.");
const unavailable = (message: string) => new AppError("database_unavailable", message);
