import { Command } from "commander";
import { howToRun, packageVersion } from "../lib/package.js";
import { changesCommand } from "./changes.js";
import { completionCommand } from "./completion.js";
import { configCommand } from "./config.js";
import { deadLettersCommand } from "./dead-letters.js";
import { demoCommand } from "./demo/demo.js";
import { doctorCommand } from "./doctor.js";
import { eraseCommand } from "./erase.js";
import { showExamples } from "./examples.js";
import { keysCommand } from "./keys.js";
import { migrateCommand } from "./migrate.js";
import { rebuildCommand, resetCommand } from "./rebuild.js";
import { sandboxCommand } from "./sandbox.js";
import { serveCommand } from "./serve.js";
import { statusCommand } from "./status.js";
import { backfillCommand, driftCommand, reconcileCommand } from "./sync.js";
import { usersCommand } from "./users.js";

const FIRST_STEPS = [
  [howToRun("demo"), "everything at once, without a Clerk account"],
  [howToRun("doctor"), "what is missing or wrong before the first start"],
  [`CLERK_SECRET_KEY=sk_… ${howToRun("serve")}`, "your own users; DATABASE_URL for your own Postgres"],
  [howToRun("status"), "how complete the mirror is, and what it is doing"],
] as const;
const COLUMN = Math.max(...FIRST_STEPS.map(([command]) => command.length));

/** The commands, by what one is about to do. */
const groups = (): Record<string, Command[]> => ({
  "Run it:": [serveCommand(), demoCommand(), sandboxCommand()],
  "Set it up:": [doctorCommand(), configCommand(), migrateCommand(), keysCommand()],
  "Look into it:": [statusCommand(), usersCommand(), changesCommand(), driftCommand()],
  "Keep it right:": [backfillCommand(), reconcileCommand(), deadLettersCommand(), eraseCommand()],
  "Begin anew:": [rebuildCommand(), resetCommand()],
  "Learn more:": [completionCommand()],
});

/** The whole command line. Each call makes its own. */
export function createProgram(): Command {
  const program = new Command("user-mirror")
    .description("An exact local copy of your Clerk users in Postgres, with the Clerk API in front of it.")
    .version(packageVersion())
    .exitOverride()
    .commandsGroup("Learn more:")
    .helpCommand("help [command]", "what a command does, with examples")
    .addHelpText(
      "after",
      `
Configuration comes from the environment, or from .env in this directory; \`config --explain\` says what there is. Every command
that prints takes --json. Exit codes: 0 done, 1 failed, 2 wrong arguments, 78 wrong configuration. The first steps:
${FIRST_STEPS.map(([command, what]) => `  $ ${command.padEnd(COLUMN)}  ${what}\n`).join("")}`,
    );
  for (const [heading, commands] of Object.entries(groups())) {
    for (const command of commands) program.addCommand(inherit(command).helpGroup(heading));
  }
  return program;
}

/** Subcommands report their errors in the same way as the program, however deeply they are nested, and show what one types. */
function inherit(command: Command, above: readonly string[] = []): Command {
  const path = [...above, command.name()];
  command.exitOverride().showHelpAfterError("Add --help to learn more.");
  showExamples(command, path.join(" "));
  for (const nested of command.commands) inherit(nested, path);
  return command;
}
