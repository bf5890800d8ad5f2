import { AppError } from "../../lib/errors.js";
import { createKeyCounts } from "../../lib/key-counts.js";

/** What couldn't be committed because another session holds one of `keys`. It is tried again for a while. */
export class Stuck {
  constructor(readonly keys: readonly string[]) {}
}

export interface GroupCommitOptions<T, R> {
  /**
   * Commits a batch and answers each of its items, in order. When it rejects, nothing of the batch is answered as done.
   * `again`: these were stuck before, and few will have come free.
   */
  commit: (batch: readonly T[], again: boolean) => Promise<readonly (R | Stuck)[]>;
  /** What an item writes: those who share a key with one that is stuck wait apart with it. */
  keysOf?: (item: T) => readonly string[];
  /** Batches under way at once: two keep the database busy while the next ones gather. */
  slots?: number;
  mostPerBatch?: number;
  /** A batch holds no more than this, or one item: what is done at once for a batch takes the longer the more it says. */
  mostBytesPerBatch?: number;
  /** Beyond this many waiting, or bytes, more are refused: their senders hold them better than our memory does. */
  mostWaiting?: number;
  mostBytesWaiting?: number;
  /** The same for those who are stuck. */
  mostStuck?: number;
  /** How long one may wait until it is refused; one that is being committed just then is told how that ends. */
  patienceMs?: number;
}

export interface GroupCommit<T, R> {
  /**
   * Resolves when the item is committed. Rejects with `database_unavailable` when too many wait already, or it has waited
   * too long.
   */
  submit(item: T, bytes?: number): Promise<R>;
}

interface Waiting<T, R> {
  item: T;
  bytes: number;
  /** Where it waits; null: it is being committed. */
  line: Line<T, R> | null;
  /** What it was found to be stuck for; empty: nothing. */
  stuckFor: readonly string[];
  /** Its patience has ended. */
  isLate: boolean;
  resolve: (result: R) => void;
  reject: (error: unknown) => void;
}

/** A batch of ordinary events is a sixth of this; a mebibyte of users takes some 50 ms to hash, print and send. */
const MOST_BYTES_PER_BATCH = 256 * 1024;
/** What is larger than this waits in a line of its own, which has one slot: nobody small waits behind ten of them. */
const LARGE_SHARE = 1 / 4;
/** Svix waits for 15 seconds. A commit that has begun ends by its limits on locks within the rest: nothing refused is stored. */
const PATIENCE_MS = 9000;
const GRACE_MS = 5500;
/** How often those who are stuck are tried. */
const AGAIN_MS = 200;

/**
 * Commits together whatever waits when a slot is free. No timer: one alone goes at once, and the busier it gets, the
 * larger the batches: 2.7 to 4.7 times the throughput of a transaction for each. What is stuck behind a lock waits apart
 * and holds no slot.
 */
export function createGroupCommit<T, R>(options: GroupCommitOptions<T, R>): GroupCommit<T, R> {
  const { commit, slots = 2, mostPerBatch = 64, mostBytesPerBatch = MOST_BYTES_PER_BATCH } = options;
  const { mostWaiting = 5000, mostBytesWaiting = 64 * 1024 * 1024, mostStuck = 1000 } = options;
  const { keysOf = () => [], patienceMs = PATIENCE_MS } = options;
  const lines = { small: createLine<T, R>(), large: createLine<T, R>(), stuck: createLine<T, R>() };
  const stuckKeys = createKeyCounts();
  let running = 0;
  let largeRunning = 0;
  let isStarting = false;
  let isRetrying = false;

  const hasRoomFor = (bytes: number) =>
    lines.small.waiting.length + lines.large.waiting.length < mostWaiting &&
    lines.small.bytes + lines.large.bytes + lines.stuck.bytes + bytes <= mostBytesWaiting;

  function startNext(): void {
    isStarting = false;
    while (running < slots) {
      const isLarge = lines.large.waiting.length > 0 && largeRunning === 0;
      const line = isLarge ? lines.large : lines.small;
      if (line.waiting.length === 0) return;
      running++;
      if (isLarge) largeRunning++;
      void run(takeBatch(line), false).finally(() => {
        running--;
        if (isLarge) largeRunning--;
        startNext();
      });
    }
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
        else one.resolve(result as R);
      }
    } catch (error) {
      for (const one of batch) {
        letGo(one);
        one.reject(error);
      }
    }
  }

  function setApart(one: Waiting<T, R>, keys: readonly string[]): void {
    if (one.isLate || lines.stuck.waiting.length >= mostStuck) {
      one.reject(one.isLate ? tooLate() : tooMany());
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

  /** In turns: those who stay stuck come behind those who weren't tried yet. */
  async function retryStuck(): Promise<void> {
    if (isRetrying) return;
    isRetrying = true;
    while (lines.stuck.waiting.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS).unref());
      // Their keys stay known meanwhile: whoever comes with one waits here, and not in a slot.
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
    submit(item, bytes = 0) {
      if (!hasRoomFor(bytes)) return Promise.reject(tooMany());
      return new Promise((resolve, reject) => {
        const one: Waiting<T, R> = {
          ...{ item, bytes, line: null, stuckFor: [], isLate: false },
          resolve(result) {
            clearTimeout(patience);
            resolve(result);
          },
          reject(error) {
            clearTimeout(patience);
            reject(error);
          },
        };
        const patience = setTimeout(giveUp, patienceMs, one);
        patience.unref();
        const shared = stuckKeys.known(keysOf, item);
        if (shared.length > 0) return void setApart(one, shared);
        enter(bytes > mostBytesPerBatch * LARGE_SHARE ? lines.large : lines.small, one);
        if (isStarting || running >= slots) return;
        isStarting = true;
        // After everything that has arrived by now has been read: those commit together.
        setImmediate(startNext);
      });
    },
  };
}

/** Items in the order in which they came, and how much they say together. */
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
