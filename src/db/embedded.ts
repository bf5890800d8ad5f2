import { rmSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../lib/async.js";
import { AppError } from "../lib/errors.js";
import { createConnections } from "./connections.js";
import { postgres } from "./driver.js";
import { embeddedBinaries, unprivilegedUser } from "./embedded-binaries.js";
import { EMBEDDED_ROLE, embeddedLocation, ensureCluster } from "./embedded-cluster.js";
import { runningServer, type Server, startServer, stopServer } from "./embedded-server.js";

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
  /** Stays the same as long as the cluster stands, whichever process runs its server. */
  readonly url: string;
  /** Whether another process runs the server. */
  readonly attached: boolean;
  /** Where the cluster lives. */
  readonly location: string;
  /** What the server takes letters from; `C` makes searches for other scripts slow. */
  readonly locale: string;
  /** Stops the server if it is ours. */
  stop(): Promise<void>;
}

const WATCH_MS = 250;

/**
 * The Postgres that comes with the mirror, in `dataDir`: starts it, or attaches to the one that another process runs
 * there. Whoever ran it, when the server ends before `stop` it is started again on the same port, so that pools
 * reconnect. It ends with this process, by whatever signal.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { dataDir, database = "mirror", durable = true, settings = {}, onLog = () => {} } = options;
  const runAs = unprivilegedUser();
  const binaries = embeddedBinaries(runAs);
  const cluster = await ensureCluster({ dataDir, runAs, binaries, durable });
  const start = () => startServer({ cluster, bin: binaries.bin, runAs, durable, settings, onLog });

  let server: Server = await start();
  const url = `postgres://${EMBEDDED_ROLE}:${cluster.password}@127.0.0.1:${server.port}/${database}`;
  await createDatabase(url, database);
  const stopping = new AbortController();
  const watching = watch();

  /** Starts the server again whenever it has ended, until we stop. */
  async function watch(): Promise<void> {
    while (!stopping.signal.aborted) {
      await sleep(WATCH_MS, stopping.signal).catch(() => {});
      if (stopping.signal.aborted || runningServer(cluster.data)?.pid === server.pid) continue;
      const next = await start().catch(() => server);
      // The same server after a recovery is still ours to stop.
      server = next.pid === server.pid ? server : next;
    }
  }

  return {
    url,
    get attached() {
      return server.child === null;
    },
    location: embeddedLocation(dataDir, runAs),
    locale: cluster.locale,
    async stop() {
      stopping.abort();
      await watching;
      await stopServer(server);
    },
  };
}

/** Deletes the cluster of this `dataDir` and all that is in it. Refuses while a server runs on it. */
export function removeEmbedded(dataDir: string): void {
  const location = embeddedLocation(dataDir, unprivilegedUser());
  const running = runningServer(join(location, "data"));
  if (running) {
    throw new AppError(
      "configuration",
      `A server still runs on ${location} (process ${running.pid}). Stop User Mirror first.`,
    );
  }
  rmSync(location, { recursive: true, force: true });
  rmSync(join(dataDir, "LOCATION"), { force: true });
}

async function createDatabase(url: string, name: string): Promise<void> {
  const sql = createConnections(url.replace(/\/[^/]*$/, "/postgres")).open({
    ...{ name: "user-mirror", max: 1, limitMs: 60_000 },
  });
  try {
    const [exists] = await sql`select from pg_database where datname = ${name}`;
    if (!exists) await sql.unsafe(`create database "${name}"`);
  } catch (error) {
    // Another process that starts now made it first.
    if (!(error instanceof postgres.PostgresError && /^(42P04|23505)$/.test(error.code))) throw error;
  } finally {
    await sql.end();
  }
}
