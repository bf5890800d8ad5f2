import { Command } from "commander";
import { type ExplainedVariable, explainConfig } from "../config/explain.js";
import { loadConfig } from "../config.js";
import { readWithSources } from "./context.js";
import { print, table } from "./output.js";

interface Flags {
  explain?: boolean;
  json?: boolean;
}

/** `user-mirror config`. */
export function configCommand(): Command {
  return new Command("config")
    .description("The configuration that holds here, with secrets masked, and who said so")
    .option("--explain", "what each variable is for, and its default, too")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Variables come from the environment, from .env in this directory, and secrets also from files: NAME_FILE names the one that
holds NAME. Where several say something, the environment wins over .env. Exits 78 where something can't be read, and says what.

  $ user-mirror config --explain
`,
    )
    .action(config);
}

function config(flags: Flags): void {
  const { env, fromDotEnv } = readWithSources();
  const explained = explainConfig(env, fromDotEnv);
  print(flags, explained, flags.explain ? explained.map(paragraph).join("\n\n") : summary(explained));
  // Says what is wrong, behind what was printed.
  loadConfig(env);
}

const summary = (explained: readonly ExplainedVariable[]) =>
  table(
    ["VARIABLE", "VALUE", "FROM"],
    explained.map(({ name, value, source, default: otherwise }) => [name, value ?? `(${otherwise})`, source]),
  );

const paragraph = ({ name, description, value, source, default: otherwise }: ExplainedVariable) =>
  `${name}${value === null ? "" : `=${value}`}\n  ${description}\n  ${
    source === "default" ? `default: ${otherwise}` : `from ${SOURCES[source]}; default: ${otherwise}`
  }`;

const SOURCES = { environment: "the environment", ".env": ".env", file: "a file", default: "" };
