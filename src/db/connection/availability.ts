import { setImmediate } from "node:timers/promises";
import type postgresType from "postgres";
import { sleep } from "../../lib/async.js";
import { AppError } from "../../lib/errors.js";
import { runLoop } from "../../lib/loop.js";
import type { Logger } from "../../observability/logger.js";
import type { Database } from "./client.js";
import { type Connections, createBackoff } from "./connections.js";
import { createProofs } from "./proofs.js";
import { isDatabaseTrouble } from "./trouble.js";

/** Whether Postgres answers: the circuit breaker for everything that waits for Postgres while a caller waits. */
export interface Availability {
  isAway(): boolean;
  /**
   * Whether the pools could read and write when last seen. They can't while Postgres is away, a standby, or
   * read-only. For a second after a statement was left unanswered they count as broken, so that whoever asks each
   * second sees it, though new connections may have put it right at once.
   */
  isWhole(): boolean;
  /**
   * Does the work. Rejects with `database_unavailable` while Postgres is away, as soon as that is noticed, and when
   * the work fails because of it. Work that was begun may still end.
   */
  guard<T>(work: () => Promise<T>): Promise<T>;
  /**
   * Calls `hook` before Postgres counts as back, and waits up to 3 seconds for it: for what must be put right first.
   * It is also called when a database that could only be read can be written again.
   */
  onReturn(hook: () => Promise<unknown>): void;
  /** Watches until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** For commands and tests, where a failure is reported as it is. */
export const unwatched: Pick<Availability, "guard"> = { guard: (work) => work() };

const WATCH_MS = 1000;
/** An answer that takes longer counts as none: a server that hangs and a network that swallows look the same. */
const PROBE_TIMEOUT_MS = 2000;
const HOOKS_TIMEOUT_MS = 3000;

export interface AvailabilityDeps {
  database: Pick<Database, "connections" | "primary" | "readers">;
  log: Logger;
}

export function createAvailability({ database, log }: AvailabilityDeps): Availability {
  const { connections } = database;
  const hooks: (() => Promise<unknown>)[] = [];
  /** The functions that end the waiting inside `guard`. A set costs a tenth of an event target's listeners. */
  const inside = new Set<() => void>();
  const proofs = createProofs({ ...database, onWritable: runHooks, log });
  const pauseSeconds = createBackoff();
  let failures = 0;
  let away = false;
  let silentAtMs = Number.NEGATIVE_INFINITY;
  let checking: Promise<void> | null = null;
  let probe = connectProbe(connections);
  connections.onSilence((pool) => {
    log.error({ pool }, "Postgres left a statement unanswered: every connection to it is opened anew");
    silentAtMs = performance.now();
    void check();
  });

  function check(): Promise<void> {
    checking ??= decide().finally(() => {
      checking = null;
    });
    return checking;
  }

  async function decide(): Promise<void> {
    let answer = await ask(probe);
    if (answer !== "answered") {
      renewProbe();
      // A connection that was silent here is silent for everybody: what waits on it would wait until the kernel gives
      // up.
      if (answer === "silent") connections.sever();
      // A connection that was merely closed says nothing about the server, except that idle connections may be dead
      // too.
      else if (!away) {
        answer = await ask(probe);
        if (answer === "answered") connections.severIdle();
        else renewProbe();
      }
    }
    if (answer !== "answered") leaveEverybody();
    else if (away) await comeBack();
    failures = away ? failures + 1 : 0;
  }

  function renewProbe(): void {
    void probe.end({ timeout: 0 }).catch(() => {});
    probe = connectProbe(connections);
  }

  function leaveEverybody(): void {
    if (away) return;
    away = true;
    log.error(
      "Postgres can't be reached: reads are answered by Clerk, webhooks are refused to be sent again",
    );
    for (const leave of inside) leave();
  }

  async function comeBack(): Promise<void> {
    // It isn't enough that somebody answers: the statements sent through the pools must be answered.
    if (!(await proofs.read())) return;
    await runHooks();
    away = false;
    log.warn("Postgres is back");
  }

  async function runHooks(): Promise<void> {
    await Promise.race([Promise.allSettled(hooks.map((hook) => hook())), sleep(HOOKS_TIMEOUT_MS)]);
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

  async function watch(): Promise<void> {
    await check();
    if (!away) proofs.refresh();
  }

  async function run(signal: AbortSignal): Promise<void> {
    const pauseMs = () => (away ? 1000 * pauseSeconds(failures) : WATCH_MS);
    await runLoop({ signal, step: watch, startsWith: "step", pauseMs });
    await probe.end({ timeout: 0 }).catch(() => {});
  }

  return {
    isAway: () => away,
    isWhole: () => !away && proofs.hold() && performance.now() - silentAtMs > WATCH_MS,
    guard,
    onReturn: (hook) => void hooks.push(hook),
    run,
  };
}

/** Uses a connection of its own, because a healthy server would look slow behind busy pools. */
function connectProbe(connections: Pick<Connections, "open">): postgresType.Sql {
  return connections.open({
    ...{ name: "user-mirror probe", max: 1, limitMs: 2 * PROBE_TIMEOUT_MS },
    connectTimeout: PROBE_TIMEOUT_MS / 1000,
  });
}

async function ask(probe: postgresType.Sql): Promise<"answered" | "closed" | "silent"> {
  const stopped = new AbortController();
  const late = sleep(PROBE_TIMEOUT_MS, stopped.signal)
    // Unlike `endsWithin`, it lets the event loop turn once more: where this process itself was busy, the answer may have
    // arrived already and be read only after the timer has fired.
    .then(() => setImmediate())
    .then(() => "silent" as const);
  const answer = probe`select 1`.then(
    () => "answered" as const,
    (error: { code?: unknown }) => (error.code === "CONNECT_TIMEOUT" ? "silent" : "closed"),
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
