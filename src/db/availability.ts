import { setImmediate } from "node:timers/promises";
import type postgresType from "postgres";
import { sleep } from "../lib/async.js";
import { AppError } from "../lib/errors.js";
import type { Logger } from "../observability/logger.js";
import type { Connections } from "./connections.js";
import { isDatabaseTrouble } from "./trouble.js";

/** Whether Postgres answers: the circuit breaker before everything that waits for it while somebody waits for us. */
export interface Availability {
  isAway(): boolean;
  /**
   * Does the work, and rejects with `database_unavailable` while Postgres is away, as soon as it is found to be, and
   * when the work fails for no fault of its own. What was begun may still end.
   */
  guard<T>(work: () => Promise<T>): Promise<T>;
  /** Before Postgres counts as back, `hook` is given 3 seconds: for what must be put right first. */
  onReturn(hook: () => Promise<unknown>): void;
  /** Watches until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** For commands and tests, where a failure is told as it is. */
export const unwatched: Pick<Availability, "guard"> = { guard: (work) => work() };

const WATCH_MS = 1000;
const RETRY_MS = 250;
/** An answer that takes longer is none: a server that hangs or a network that swallows looks no different. */
const PROBE_TIMEOUT_MS = 2000;
const HOOKS_TIMEOUT_MS = 3000;

export interface AvailabilityOptions {
  connections: Pick<Connections, "open">;
  log: Logger;
}

export function createAvailability({ connections, log }: AvailabilityOptions): Availability {
  const hooks: (() => Promise<unknown>)[] = [];
  /** What ends the waiting of those who are inside `guard`: a set costs a tenth of an event target's listeners. */
  const inside = new Set<() => void>();
  let away = false;
  let checking: Promise<void> | null = null;
  let probe = connectProbe(connections);

  function check(): Promise<void> {
    checking ??= decide().finally(() => {
      checking = null;
    });
    return checking;
  }

  async function decide(): Promise<void> {
    const answers = await hasAnswer(probe);
    if (answers && away) {
      await Promise.race([Promise.allSettled(hooks.map((hook) => hook())), sleep(HOOKS_TIMEOUT_MS)]);
      away = false;
      log.warn("Postgres is back");
    } else if (!answers) {
      void probe.end({ timeout: 0 }).catch(() => {});
      probe = connectProbe(connections);
      if (away) return;
      away = true;
      log.error(
        "Postgres can't be reached: reads are answered by Clerk, webhooks are refused to be sent again",
      );
      for (const leave of inside) leave();
    }
  }

  async function guard<T>(work: () => Promise<T>): Promise<T> {
    if (away) throw unavailable();
    let leave = () => {};
    const found = new Promise<never>((_, reject) => {
      leave = () => reject(unavailable());
    });
    inside.add(leave);
    try {
      return await Promise.race([work(), found]);
    } catch (cause) {
      if (!isDatabaseTrouble(cause)) throw cause;
      void check();
      throw unavailable(cause);
    } finally {
      inside.delete(leave);
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await check();
      await sleep(away ? RETRY_MS : WATCH_MS, signal).catch(() => {});
    }
    await probe.end({ timeout: 0 }).catch(() => {});
  }

  return { isAway: () => away, guard, onReturn: (hook) => void hooks.push(hook), run };
}

/** A connection of its own: behind busy pools a healthy server would look slow. */
function connectProbe(connections: Pick<Connections, "open">): postgresType.Sql {
  return connections.open({
    ...{ name: "user-mirror probe", max: 1, limitMs: 2 * PROBE_TIMEOUT_MS },
    connectTimeout: PROBE_TIMEOUT_MS / 1000,
  });
}

async function hasAnswer(probe: postgresType.Sql): Promise<boolean> {
  const stopped = new AbortController();
  const late = sleep(PROBE_TIMEOUT_MS, stopped.signal)
    // Where this process itself was busy, the answer lies here already, behind the timer.
    .then(() => setImmediate())
    .then(() => false);
  const answer = probe`select 1`.then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    stopped.abort();
    late.catch(() => {});
  }
}

const unavailable = (cause?: unknown) =>
  new AppError("database_unavailable", "The database can't be reached.", { cause });
