import { statSync } from "node:fs";
import { type Config, type ConfigWithSecretKey, loadConfig } from "../config.js";
import { AppError, reasonOf } from "../lib/errors.js";
import { createLogger, type Logger } from "../observability/logger.js";
import { openStore, type Store } from "../runtime/store.js";

/** The environment, completed from `.env` in the working directory. What the environment itself sets wins. */
export const readEnvironment = (): Environment => readWithSources().env;

type Environment = Readonly<Record<string, string | undefined>>;

/** The same, and the names that only `.env` sets: none where it was read before. */
export function readWithSources(): { env: Environment; fromDotEnv: ReadonlySet<string> } {
  const before = new Set(Object.keys(process.env));
  const stat = statSync(".env", { throwIfNoEntry: false });
  try {
    // Reading from a pipe might never end.
    if (stat && !stat.isFile()) throw new Error("it is no ordinary file");
    if (stat) process.loadEnvFile(".env");
  } catch (error) {
    throw new AppError("configuration", `.env in this folder can't be read: ${reasonOf(error)}.`, {
      cause: error,
    });
  }
  return {
    env: process.env,
    fromDotEnv: new Set(Object.keys(process.env).filter((name) => !before.has(name))),
  };
}

/** For commands that ask Clerk. Throws one `configuration` error that lists every problem. */
export function configWithKey(): ConfigWithSecretKey {
  return loadConfig(readEnvironment(), { needs: { secretKey: true } });
}

/** For commands that use only the database. */
export function configWithoutKey(): Config {
  return loadConfig(readEnvironment(), { needs: { secretKey: false } });
}

/** Writes to standard error, since standard output is for the command's result. By default only warnings and errors. */
export function commandLogger(config: Config): Logger {
  const level = process.env.LOG_LEVEL ? config.log.level : "warn";
  return createLogger({ level, format: process.stderr.isTTY ? "pretty" : config.log.format }, process.stderr);
}

/** Opens the database for a command. A million users are migrated in minutes, so that people are told how far it is. */
export const openForCommand = (config: Config, log: Logger): Promise<Store> =>
  openStore(config.database, log, (progress) => process.stderr.write(`${progress}\n`));

/** Opens the database for a command that doesn't ask Clerk, and closes it when the work has ended or failed. */
export async function withStore(work: (store: Store, config: Config) => Promise<void>): Promise<void> {
  const config = configWithoutKey();
  const store = await openForCommand(config, commandLogger(config));
  try {
    await work(store, config);
  } finally {
    await store.close();
  }
}

/** Whether errors are printed with their stack traces, which help only in finding a fault in the program itself. */
export const isDebugging = () => /^(debug|trace)$/.test(process.env.LOG_LEVEL?.trim() ?? "");

/**
 * The server ends by itself within 15 seconds. A process that hangs beyond that has to be gone within 20, even if Postgres
 * or Clerk don't answer.
 */
const STOP_LIMIT_MS = 18_000;

/**
 * Aborts on Ctrl-C and SIGTERM, so that long work stops where it can go on next time. When that takes longer than the
 * limit above, or at a second signal, the process just exits, as in a crash. Nothing that was acknowledged is lost.
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
