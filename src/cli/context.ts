import { statSync } from "node:fs";
import { type Config, type ConfigWithSecretKey, loadConfig } from "../config.js";
import { AppError, reasonOf } from "../lib/errors.js";
import { createLogger, type Logger } from "../observability/logger.js";
import { openStore, type Store } from "../runtime/store.js";

/** `.env` in the working directory counts where the environment itself says nothing. */
export function readEnvironment(): Readonly<Record<string, string | undefined>> {
  const stat = statSync(".env", { throwIfNoEntry: false });
  try {
    // A pipe might never end.
    if (stat && !stat.isFile()) throw new Error("it is no ordinary file");
    if (stat) process.loadEnvFile(".env");
  } catch (error) {
    throw new AppError("configuration", `.env in this folder can't be read: ${reasonOf(error)}.`, {
      cause: error,
    });
  }
  return process.env;
}

/** For commands that ask Clerk. Throws `configuration` listing every problem. */
export function configWithKey(): ConfigWithSecretKey {
  return loadConfig(readEnvironment(), { needs: { secretKey: true } });
}

/** For commands that look at the database alone. */
export function configWithoutKey(): Config {
  return loadConfig(readEnvironment(), { needs: { secretKey: false } });
}

/** A command's own output is standard output; what it logs, from warnings up, goes beside it. */
export function commandLogger(config: Config): Logger {
  const level = process.env.LOG_LEVEL ? config.log.level : "warn";
  return createLogger({ level, format: process.stderr.isTTY ? "pretty" : config.log.format }, process.stderr);
}

/** Opens the database for a command that needs no Clerk, and closes it whatever comes of the work. */
export async function withStore(work: (store: Store, config: Config) => Promise<void>): Promise<void> {
  const config = configWithoutKey();
  const store = await openStore(config.database, commandLogger(config));
  try {
    await work(store, config);
  } finally {
    await store.close();
  }
}

/** Whether stack traces are wanted: they are for whoever looks for a fault in the program. */
export const isDebugging = () => /^(debug|trace)$/.test(process.env.LOG_LEVEL?.trim() ?? "");

/** Less than the 20 seconds within which a process that was told to end has ended, whatever doesn't answer it. */
const STOP_LIMIT_MS = 18_000;

/**
 * Aborts on Ctrl-C and SIGTERM: long work stops where it can go on next time. What hasn't by then is left as a crash would
 * leave it, and a second signal does so at once: nothing that was acknowledged is lost by that.
 */
export function untilInterrupted(): AbortController {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      setTimeout(giveUp, STOP_LIMIT_MS).unref();
      controller.abort(new Error(`stopped by ${signal}`));
    });
  }
  return controller;
}

function giveUp(): void {
  process.stderr.write(
    "Stopping took too long, most likely because Postgres doesn't answer: ended without it.\n",
  );
  process.exit(1);
}
