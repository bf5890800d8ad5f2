import type postgresType from "postgres";
import { connectionOptions } from "../../lib/connection/options.js";
import { postgres } from "./driver.js";
import { type Settings, session } from "./session.js";

/** Every connection of a process to its Postgres: opened here, watched here, and ended here together. */
export interface Connections {
  /** Opens none yet: a pool connects when it is asked something. */
  open<T extends Types = Record<string, never>>(options: PoolOptions<T>): postgresType.Sql<Parsed<T>>;
  /**
   * Destroys the sockets of all pools, also those that nobody uses: what waits on them fails at once, and the next statement
   * connects anew. For when the network, or the server behind it, was seen to have changed.
   */
  sever(): void;
  /** The same for those that are in no use, where nothing is lost by it. */
  severIdle(): void;
  /** Called after a statement ran into its limit, whereupon everything was severed. */
  onSilence(hook: (name: string) => void): void;
}

type Types = Record<string, postgresType.PostgresType>;
type Parsed<T extends Types> = {
  [K in keyof T]: T[K] extends { serialize: (value: infer R) => unknown } ? R : never;
};

export interface PoolOptions<T extends Types = Record<string, never>> {
  /** `application_name`: how the server's own views tell its connections apart. */
  name: string;
  max: number;
  /**
   * How long a statement may run without its answer, unless it says otherwise (`withLimit`). More than the server's own
   * `statement_timeout` for it: what runs into this was answered by nobody.
   */
  limitMs: number;
  /** Over those that every connection begins with. */
  settings?: Settings;
  /** Seconds. */
  connectTimeout?: number;
  idleTimeout?: number;
  /** Whether a connection is replaced after half an hour or so, as it is by default. */
  ages?: boolean;
  types?: T;
  onclose?: () => void;
  onnotify?: (channel: string, payload: string) => void;
}

/** What the driver shows of a pool (`driver.ts`). */
interface Watch {
  readonly clock: { ticks: number };
  readonly connections: Watched[];
  readonly queues: { first(): Waiting | undefined; shift(): Waiting; readonly length: number }[];
}

interface Watched {
  running(): { since: number; limitMs?: number } | null;
  isIdle(): boolean;
  destroy(): void;
}

interface Waiting {
  since: number;
  reject(error: Error): void;
}

interface Pool {
  readonly watch: Watch;
  readonly options: Pick<PoolOptions, "name" | "limitMs">;
}

const TICK_MS = 250;
/** Nobody waits longer for one of a pool's connections to be free: half of what a webhook's sender is kept waiting at most. */
const QUEUE_LIMIT_MS = 7500;
const CONNECT_TIMEOUT_SECONDS = 5;
/** Seconds of silence until the kernel asks the other side; ten seconds of no answer later it gives the connection up. */
const KEEP_ALIVE_SECONDS = 10;
/** Seconds until a lost connection is tried again: its queries wait that long, and their callers with them. */
const FIRST_PAUSE = 0.25;
const LONGEST_PAUSE = 1;

/** Throws `ConnectionStringError` for a `url` that leads nowhere. */
export function createConnections(url: string): Connections {
  const target = connectionOptions(url);
  const clock = { ticks: 0 };
  const pools = new Set<Pool>();
  const hooks: ((name: string) => void)[] = [];
  let ticking: NodeJS.Timeout | null = null;

  function open<T extends Types>(options: PoolOptions<T>): postgresType.Sql<Parsed<T>> {
    const watch: Watch = { clock, connections: [], queues: [] };
    const pool: Pool = { watch, options };
    const sql = postgres({
      ...target.driver,
      max: options.max,
      connect_timeout: options.connectTimeout ?? target.connectTimeout ?? CONNECT_TIMEOUT_SECONDS,
      keep_alive: target.keepAlive ?? KEEP_ALIVE_SECONDS,
      backoff: createBackoff(),
      onnotice: () => {},
      ...session(options.settings),
      connection: {
        ...target.startup,
        application_name: options.name.replace(/^user-mirror/, target.applicationName ?? "user-mirror"),
      },
      ...(options.idleTimeout !== undefined && { idle_timeout: options.idleTimeout }),
      ...(options.ages === false && { max_lifetime: null }),
      ...(options.types && { types: options.types }),
      ...(options.onclose && { onclose: options.onclose }),
      // Not among the driver's types: the first is what its `listen` is made of, the second is ours (`driver.ts`).
      ...(options.onnotify && { onnotify: options.onnotify }),
      ...{ watch },
    } as unknown as postgresType.Options<Types>) as unknown as postgresType.Sql<Parsed<T>>;
    pools.add(pool);
    // A tick is a turn of this process's loop: while that is busy, or stopped, no time passes and no limit runs out.
    ticking ??= setInterval(tick, TICK_MS).unref();
    return Object.assign(sql, { end: ending(pool, sql.end) });
  }

  /** Ends a pool, and what of it the other side doesn't let end: a socket that waits for its FIN keeps the process alive. */
  function ending(pool: Pool, end: postgresType.Sql["end"]): postgresType.Sql["end"] {
    return async (options) => {
      try {
        await end({ timeout: 5, ...options });
      } finally {
        for (const connection of pool.watch.connections) connection.destroy();
        for (const queue of pool.watch.queues) while (queue.length > 0) queue.shift().reject(new PoolEnded());
        pools.delete(pool);
        if (pools.size === 0 && ticking) {
          clearInterval(ticking);
          ticking = null;
        }
      }
    };
  }

  function tick(): void {
    clock.ticks++;
    for (const { watch } of pools) rejectQueued(watch);
    const silent = [...pools].find(isSilent);
    if (!silent) return;
    sever();
    for (const hook of hooks) hook(silent.options.name);
  }

  function isSilent({ watch, options }: Pool): boolean {
    return watch.connections.some((connection) => {
      const running = connection.running();
      return running !== null && elapsedMs(running.since) > (running.limitMs ?? options.limitMs);
    });
  }

  function rejectQueued({ queues }: Watch): void {
    for (const queue of queues) {
      for (let first = queue.first(); first; first = queue.first()) {
        if (!(elapsedMs(first.since) > QUEUE_LIMIT_MS)) break;
        queue.shift().reject(new PoolBusy());
      }
    }
  }

  const elapsedMs = (since: number) => (clock.ticks - since) * TICK_MS;

  function destroyAll(which: (connection: Watched) => boolean): void {
    for (const { watch } of pools) {
      for (const connection of watch.connections) if (which(connection)) connection.destroy();
    }
  }

  const sever = () => destroyAll(() => true);

  return {
    open,
    sever,
    severIdle: () => destroyAll((connection) => connection.isIdle()),
    onSilence: (hook) => void hooks.push(hook),
  };
}

/** No connection became free in time: the same may well succeed in a moment. */
class PoolBusy extends Error {
  override readonly name = "PoolBusy";
  readonly code = "POOL_BUSY";
  constructor() {
    super(`No connection became free within ${QUEUE_LIMIT_MS} ms.`);
  }
}

/** What still waited for a connection when its pool ended. */
class PoolEnded extends Error {
  override readonly name = "PoolEnded";
  readonly code = "CONNECTION_ENDED";
  constructor() {
    super("The pool has ended.");
  }
}

/**
 * Gives what `sql` is asked through the result a limit of its own, in place of its pool's: transactions too, and every
 * statement inside of them.
 */
export function withLimit<S extends postgresType.Sql | postgresType.TransactionSql>(
  sql: S,
  limitMs: number,
): S {
  return new Proxy(sql, {
    apply: (target, self, args) => limited(Reflect.apply(target, self, args)),
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      if (name === "unsafe") return (...args: unknown[]) => limited(value.apply(target, args));
      if (name !== "begin" && name !== "savepoint") return value;
      return (...args: unknown[]) => {
        const work = args.pop() as (tx: postgresType.TransactionSql) => unknown;
        return value.call(target, ...args, (tx: postgresType.TransactionSql) => work(withLimit(tx, limitMs)));
      };
    },
  });

  function limited(query: unknown): unknown {
    // Not for pieces of statements, which have no options.
    const { options } = query as { options?: { limitMs?: number } };
    if (options) options.limitMs = limitMs;
    return query;
  }
}

/** A quarter of the time for which there has been no connection: soon at first, and no storm on a server that stays away. */
export function createBackoff(nowMs = () => performance.now()): (failures: number) => number {
  let failingSinceMs = 0;
  return (failures) => {
    // The driver counts them for the whole pool, and from 0 when one of its connections has succeeded.
    if (failures <= 1) failingSinceMs = nowMs();
    const pause = (nowMs() - failingSinceMs) / 4000;
    return Math.min(LONGEST_PAUSE, Math.max(FIRST_PAUSE, pause));
  };
}
