import { existsSync, realpathSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { endsWithin, sleep } from "../../lib/async.js";
import { AppError } from "../../lib/errors.js";
import { runLoop } from "../../lib/loop.js";
import { createConnections } from "../connection/connections.js";
import { postgres } from "../connection/driver.js";
import { isDatabaseTrouble } from "../connection/trouble.js";
import { embeddedBinaries, unprivilegedUser } from "./binaries.js";
import { EMBEDDED_ROLE, embeddedLocation, ensureCluster } from "./cluster.js";
import { livingServer, runningServer } from "./pid-file.js";
import { type Server, startServer, stopServer } from "./server.js";

export interface EmbeddedOptions {
  dataDir: string;
  database?: string;
  /** False for tests: much faster, and lost if the machine stops. */
  durable?: boolean;
  /** Server settings over the defaults. */
  settings?: Readonly<Record<string, string>>;
  /** What the server prints. */
  onLog?: (text: string) => void;
}

export interface EmbeddedPostgres {
  /** Stays the same as long as the cluster exists, whichever process runs its server. */
  readonly url: string;
  /** Whether another process runs the server. */
  readonly attached: boolean;
  /** Where the cluster lives. */
  readonly location: string;
  /** Where the server knows letters from. `C` makes searches for other scripts slow. */
  readonly locale: string;
  /** Stops the server if it is ours. A server that hasn't ended in order within `withinMs` is killed. */
  stop(withinMs?: number): Promise<void>;
}

const WATCH_MS = 250;
/** How long a server that was ready may still refuse connections because its owner is ending it. */
const CONTACT_MS = 60_000;
/** As long as its watcher waits before it kills a server that doesn't end. */
const STOP_MS = 20_000;

/**
 * The Postgres that comes with the mirror, in `dataDir`. Starts it, or attaches to the one that another process runs
 * there. If the server ends before `stop`, whoever ran it, it is started again on the same port, so that the pools
 * reconnect. It ends with this process, by whatever signal that ends.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  try {
    return await start(options);
  } catch (error) {
    if (error instanceof AppError || !(error instanceof Error)) throw error;
    throw new AppError(
      "configuration",
      `DATA_DIR can't be used for the embedded Postgres: ${error.message}`,
      {
        cause: error,
        longMessage:
          `DATA_DIR is ${resolve(options.dataDir)}: it must be a folder that this user may write, with some hundred MB ` +
          "free. Or set DATABASE_URL to a PostgreSQL of your own.",
      },
    );
  }
}

async function start(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { dataDir, database = "mirror", durable = true, settings = {}, onLog = () => {} } = options;
  const account = unprivilegedUser();
  const binaries = embeddedBinaries(account, dataDir);
  const cluster = await ensureCluster({ dataDir, runAs: account, binaries, durable });
  const base = { cluster, bin: binaries.bin, runAs: cluster.runAs, durable, settings, onLog };

  let server: Server = await startServer(base);
  const urlOf = ({ port }: Server) =>
    `postgres://${EMBEDDED_ROLE}:${cluster.password}@127.0.0.1:${port}/${database}`;
  const deadline = Date.now() + CONTACT_MS;
  while (!(await createDatabase(urlOf(server), database, Date.now() < deadline))) {
    // Its owner is ending it just now.
    await sleep(WATCH_MS);
    server = await startServer(base);
  }
  const url = urlOf(server);
  const { port } = server;
  const stopping = new AbortController();
  const watching = runLoop({
    signal: stopping.signal,
    step: restartIfEnded,
    startsWith: "pause",
    pauseMs: WATCH_MS,
  });

  async function restartIfEnded(signal: AbortSignal): Promise<void> {
    if (runningServer(cluster.data)?.pid === server.pid) return;
    // On the same port, where the pools look for it, even if another process listens there for a while.
    const next = await startServer({ ...base, port, signal }).catch(() => server);
    // The same server after a recovery is still ours to stop.
    server = next.pid === server.pid ? server : next;
  }

  return {
    url,
    get attached() {
      return server.child === null;
    },
    location: embeddedLocation(dataDir, account),
    locale: cluster.locale,
    async stop(withinMs = STOP_MS) {
      stopping.abort();
      const begunAtMs = performance.now();
      // It may be about to start a server. If we don't end that, its watcher does.
      await endsWithin(watching, withinMs);
      await stopServer(server, withinMs - (performance.now() - begunAtMs));
    },
  };
}

/** Deletes the cluster of this `dataDir` with everything in it. Refuses while a server runs on it. */
export function removeEmbedded(dataDir: string): void {
  const location = embeddedLocation(dataDir, unprivilegedUser());
  try {
    const data = join(location, "data");
    const pid = existsSync(data) ? livingServer(realpathSync(data)) : null;
    if (pid !== null) {
      throw new AppError(
        "configuration",
        `A server still runs on ${location} (process ${pid}). Stop User Mirror first.`,
      );
    }
    rmSync(location, { recursive: true, force: true });
    rmSync(join(dataDir, "LOCATION"), { force: true });
  } catch (error) {
    if (error instanceof AppError || !(error instanceof Error)) throw error;
    throw new AppError("configuration", `DATA_DIR can't be deleted: ${error.message}`, { cause: error });
  }
}

/** False if the server can't be spoken to and `again` allows another attempt. */
async function createDatabase(url: string, name: string, again: boolean): Promise<boolean> {
  const sql = createConnections(url.replace(/\/[^/]*$/, "/postgres")).open({
    ...{ name: "user-mirror", max: 1, limitMs: 60_000 },
  });
  try {
    const [exists] = await sql`select from pg_database where datname = ${name}`;
    if (!exists) await sql.unsafe(`create database "${name}"`);
    return true;
  } catch (error) {
    // Another process that starts now made it first.
    if (error instanceof postgres.PostgresError && /^(42P04|23505)$/.test(error.code)) return true;
    if (again && isDatabaseTrouble(error)) return false;
    throw error;
  } finally {
    await sql.end({ timeout: 5 });
  }
}
