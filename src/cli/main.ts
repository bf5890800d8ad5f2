#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { AppError, reasonOf } from "../lib/errors.js";
import { howToRun, packageVersion } from "../lib/package.js";
import { changesCommand } from "./changes.js";
import { configCommand } from "./config.js";
import { isDebugging } from "./context.js";
import { deadLettersCommand } from "./dead-letters.js";
import { demoCommand } from "./demo.js";
import { doctorCommand } from "./doctor.js";
import { eraseCommand } from "./erase.js";
import { keysCommand } from "./keys.js";
import { migrateCommand } from "./migrate.js";
import { outliveReaders } from "./output.js";
import { rebuildCommand, resetCommand } from "./rebuild.js";
import { sandboxCommand } from "./sandbox.js";
import { serveCommand } from "./serve.js";
import { statusCommand } from "./status.js";
import { backfillCommand, driftCommand, reconcileCommand } from "./sync.js";
import { usersCommand } from "./users.js";

/** Exit codes. `usage`: wrong arguments; `configuration`: a wrong environment (EX_CONFIG of sysexits). */
const EXIT = { failed: 1, usage: 2, configuration: 78 };

const FIRST_STEPS = [
  [howToRun("demo"), "everything at once, without a Clerk account"],
  [`CLERK_SECRET_KEY=sk_… ${howToRun("serve")}`, "your own users; DATABASE_URL for your own Postgres"],
  [howToRun("status"), "how complete the mirror is, and what it is doing"],
] as const;
const COLUMN = Math.max(...FIRST_STEPS.map(([command]) => command.length));

const program = new Command("user-mirror")
  .description("An exact local copy of your Clerk users in Postgres, with the Clerk API in front of it.")
  .version(packageVersion())
  .exitOverride()
  .configureHelp({ sortSubcommands: true })
  .addHelpText(
    "after",
    `
Configuration comes from the environment, or from .env in this directory. The first steps:
${FIRST_STEPS.map(([command, what]) => `  $ ${command.padEnd(COLUMN)}  ${what}\n`).join("")}`,
  );
for (const command of [
  serveCommand(),
  configCommand(),
  doctorCommand(),
  migrateCommand(),
  backfillCommand(),
  reconcileCommand(),
  driftCommand(),
  statusCommand(),
  usersCommand(),
  changesCommand(),
  deadLettersCommand(),
  keysCommand(),
  eraseCommand(),
  rebuildCommand(),
  resetCommand(),
  sandboxCommand(),
  demoCommand(),
]) {
  program.addCommand(inherit(command));
}

/** Subcommands report their errors in the same way as the program, however deeply they are nested. */
function inherit(command: Command): Command {
  command.exitOverride();
  for (const nested of command.commands) inherit(nested);
  return command;
}

outliveReaders();
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof AppError) {
    // What is said of a parameter in short, "is invalid", goes without saying beside the rest.
    const texts = error.code === "invalid_request" ? [error.longMessage] : [error.message, error.longMessage];
    process.stderr.write(
      texts
        .filter(Boolean)
        .map((text) => `${text}\n`)
        .join(""),
    );
    return error.code === "configuration"
      ? EXIT.configuration
      : error.code === "usage"
        ? EXIT.usage
        : EXIT.failed;
  }
  process.stderr.write(
    isDebugging() && error instanceof Error ? `${error.stack}\n` : `Failed: ${reasonOf(error)}\n`,
  );
  return EXIT.failed;
}
