import type postgresType from "postgres";
import { connectionOptions } from "../../lib/connection/options.js";
import { postgres } from "./driver.js";
import { type Settings, session } from "./session.js";

/** Every connection of a process to its Postgres. They are opened here, watched here, and ended here together. */
export interface Connections {
  /** Creates a pool. It connects only when it is asked something. */
  open<T extends Types = Record<string, never>>(options: PoolOptions<T>): postgresType.Sql<Parsed<T>>;
  /**
   * Destroys the sockets of all pools, idle ones too. What waits on them fails at once, and the next statement
   * connects anew. For when the network, or the server behind it, was seen to have changed.
   */
  sever(): void;
  /** The same for idle connections alone, where nothing is lost by it. */
  severIdle(): void;
  /** Called after a statement ran into its limit and all connections were severed. */
  onSilence(hook: (name: string) => void): void;
  /** How the pools are doing; those of one label together. */
  stats(): PoolStats[];
}

export interface PoolStats {
  name: string;
  /** The most connections that it may open. */
  max: number;
  /** Open ones with and without a statement. */
  busy: number;
  idle: number;
  /** Statements that wait for a connection. */
  waiting: number;
}

type Types = Record<string, postgresType.PostgresType>;
type Parsed<T extends Types> = {
  [K in keyof T]: T[K] extends { serialize: (value: infer R) => unknown } ? R : never;
};

export interface PoolOptions<T extends Types = Record<string, never>> {
  /** `application_name`, by which the server's own views tell connections apart. */
  name: string;
  /** What metrics call the pool; absent: its name. */
  label?: string;
  max: number;
  /**
   * How long a statement may go unanswered, unless it has its own limit (`withLimit`). Longer than the server's
   * `statement_timeout` for it, so that only a statement that nobody answers runs into it.
   */
  limitMs: number;
  /** Settings beside those with which every connection begins. */
  settings?: Settings;
  /** In seconds. */
  connectTimeout?: number;
  idleTimeout?: number;
  /** Whether a connection is replaced after half an hour or so, which is the default. */
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
  isOpen(): boolean;
  destroy(): void;
}

interface Waiting {
  since: number;
  reject(error: Error): void;
}

interface Pool {
  readonly watch: Watch;
  readonly options: Pick<PoolOptions, "name" | "label" | "max" | "limitMs">;
}

const TICK_MS = 250;
/** How long to wait for a free connection of a pool: at most half as long as the sender of a webhook waits. */
const QUEUE_LIMIT_MS = 7500;
const CONNECT_TIMEOUT_SECONDS = 5;
/**
 * Seconds of silence after which the kernel asks the other side. After ten more seconds without an answer it gives
 * the connection up.
 */
const KEEP_ALIVE_SECONDS = 10;
/** Seconds until a lost connection is tried again. Its queries, and their callers, wait that long. */
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
      // The driver's types lack these two: its own `listen` uses the first, and the second is ours (`driver.ts`).
      ...(options.onnotify && { onnotify: options.onnotify }),
      ...{ watch },
    } as unknown as postgresType.Options<Types>) as unknown as postgresType.Sql<Parsed<T>>;
    pools.add(pool);
    // A tick is one turn of this process's event loop. While the process is busy or stopped no time passes, so no
    // limit runs out.
    ticking ??= setInterval(tick, TICK_MS).unref();
    return Object.assign(sql, { end: ending(pool, sql.end) });
  }

  /**
   * Ends a pool and destroys whatever the other side doesn't let end: a socket that waits for its FIN would keep the
   * process alive.
   */
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
    stats() {
      const stats = new Map<string, PoolStats>();
      for (const { watch, options } of pools) {
        const name = options.label ?? options.name.replace(/^user-mirror /, "");
        const sum = stats.get(name) ?? { name, max: 0, busy: 0, idle: 0, waiting: 0 };
        const open = watch.connections.filter((connection) => connection.isOpen());
        const idle = open.filter((connection) => connection.isIdle()).length;
        sum.max += options.max;
        sum.idle += idle;
        sum.busy += open.length - idle;
        for (const queue of watch.queues) sum.waiting += queue.length;
        stats.set(name, sum);
      }
      return [...stats.values()];
    },
  };
}

/** No connection became free in time. Trying again in a moment may well succeed. */
class PoolBusy extends Error {
  override readonly name = "PoolBusy";
  readonly code = "POOL_BUSY";
  constructor() {
    super(`No connection became free within ${QUEUE_LIMIT_MS} ms.`);
  }
}

/** The statement still waited for a connection when its pool was ended. */
class PoolEnded extends Error {
  override readonly name = "PoolEnded";
  readonly code = "CONNECTION_ENDED";
  constructor() {
    super("The pool has ended.");
  }
}

/**
 * Gives all statements sent through the result a limit of their own in place of the pool's; also transactions, and
 * every statement inside them.
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
    // Pieces of statements have no options.
    const { options } = query as { options?: { limitMs?: number } };
    if (options) options.limitMs = limitMs;
    return query;
  }
}

/**
 * A quarter of the time for which there has been no connection: soon at first, and no storm on a server that stays
 * away.
 */
export function createBackoff(nowMs = () => performance.now()): (failures: number) => number {
  let failingSinceMs = 0;
  return (failures) => {
    // The driver counts attempts for the whole pool, and starts from 0 when one of its connections has succeeded.
    if (failures <= 1) failingSinceMs = nowMs();
    const pause = (nowMs() - failingSinceMs) / 4000;
    return Math.min(LONGEST_PAUSE, Math.max(FIRST_PAUSE, pause));
  };
}
