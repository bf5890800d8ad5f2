import type { Argument, Command, Option } from "commander";

/** The page that says what every command takes, made of the commands themselves. */
export function cliReference(commands: readonly Command[]): string {
  const sorted = [...commands].sort((a, b) => (a.name() < b.name() ? -1 : 1));
  return `${INTRODUCTION}\n${sorted.flatMap((command) => sections(command, [])).join("\n")}`;
}

const INTRODUCTION = `# Commands

In a checkout, run \`npm run --silent cli -- <command>\`; where the package is installed, \`npx user-mirror <command>\`. This page is
made of the commands' own descriptions, and a test compares both.

- Commands work beside a running server; beside the demo, put \`DATA_DIR=.data/demo\` before them.
- \`serve\`, \`backfill\`, \`reconcile\`, \`drift\` and \`doctor\` ask Clerk and need its key. The demo keeps its key for itself.
- Every command that prints takes \`--json\`. Progress is a bar on a terminal, plain lines elsewhere.
- Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration.
`;

function sections(command: Command, above: readonly string[]): string[] {
  const path = [...above, command.name()];
  const usage = [...path, ...command.registeredArguments.map(spelled)].join(" ");
  const options = command.options.filter(({ hidden }) => !hidden);
  const own = [`## ${path.join(" ")}`, "", `\`user-mirror ${usage}\`: ${command.description()}`, ""];
  if (options.length > 0) own.push("| option | |", "|---|---|", ...options.map(row), "");
  return [own.join("\n"), ...command.commands.flatMap((nested) => sections(nested, path))];
}

const spelled = (argument: Argument) => {
  const name = `${argument.name()}${argument.variadic ? "…" : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
};

function row({ flags, description, defaultValue }: Option): string {
  const initial = defaultValue === undefined || defaultValue === false ? "" : ` (default: ${defaultValue})`;
  return `| \`${cell(flags)}\` | ${cell(description)}${initial} |`;
}

const cell = (text: string) => text.replaceAll("|", "\\|");
