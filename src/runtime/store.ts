import type { Config } from "../config.js";
import { connect, type Database } from "../db/connection/client.js";
import { type Clock, createClock } from "../db/connection/clock.js";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../db/embedded/postgres.js";
import { migrateDatabase } from "../db/setup/migrate.js";
import type { Logger } from "../observability/logger.js";

/** The mirror's database: connected and migrated, whether it is embedded or elsewhere. */
export interface Store {
  database: Database;
  clock: Clock;
  /** Migrates once the database can be written, when it couldn't at the start (a standby, a read-only primary). Repeating is free. */
  settle(): Promise<void>;
  /** Null when the database is the one of `DATABASE_URL`. */
  embedded: EmbeddedPostgres | null;
  /** Never rejects. Connections and an embedded server that haven't ended within `withinMs` are cut off. */
  close(withinMs?: number): Promise<void>;
}

/** The embedded server takes 200 connections from all processes. With more than this, one process gains nothing. */
const EMBEDDED_POOL_MAX = 32;

/**
 * Connects and migrates. Without a `DATABASE_URL` it starts the embedded Postgres first, or attaches to a running one. `onMigrating` is
 * told how far a migration has come that takes long.
 */
export async function openStore(
  config: Config["database"],
  log: Logger,
  onMigrating = (progress: string) => log.info(progress),
): Promise<Store> {
  const embedded = config.url === null ? await startEmbedded(config.dataDir, log) : null;
  const url = config.url ?? embedded?.url ?? "";
  for (const note of config.notes) log.warn(note);
  let database: Database | null = null;
  try {
    let { isWritable } = await migrateDatabase({
      url,
      onWait: (reason) => log.warn(reason),
      onProgress: onMigrating,
    });
    if (!isWritable) {
      log.error(
        "DATABASE_URL can only be read: what is there is served, and nothing new arrives until it can be written.",
      );
    }
    const poolMax = embedded ? Math.min(config.poolMax, EMBEDDED_POOL_MAX) : config.poolMax;
    database = connect({ url, poolMax });
    const clock = createClock(database.primary.sql);
    await clock.refresh();
    const opened = database;
    return {
      database,
      clock,
      embedded,
      async settle() {
        if (!isWritable) ({ isWritable } = await migrateDatabase({ url }));
      },
      async close(withinMs = 15_000) {
        clock.stop();
        await opened.close(withinMs / 3);
        await embedded?.stop((withinMs * 2) / 3);
      },
    };
  } catch (error) {
    await database?.close();
    await embedded?.stop();
    throw error;
  }
}

async function startEmbedded(dataDir: string, log: Logger): Promise<EmbeddedPostgres> {
  const embedded = await startEmbeddedPostgres({
    dataDir,
    onLog: (text) => log.debug({ source: "postgres" }, text.trim()),
  });
  log.info({ location: embedded.location, attached: embedded.attached }, "embedded Postgres is ready");
  if (embedded.locale === "C") {
    log.warn("The system has no UTF-8 locale: searches for letters beyond a-z take the slow way.");
  }
  return embedded;
}
