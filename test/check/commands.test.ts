// Covers README.md, docs

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.js";
import { markdownFiles, type Page, parsePage, ROOT, readPage } from "../support/markdown.js";

const program = createProgram();
const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
};

const COMMAND =
  /(?:^(?:\w+=\S+ )*(?:npx |\S+\/\.bin\/)?user-mirror|cli\/main\.js|run --silent cli --) ([^|;&#]+)/;
const SCRIPT = /npm run (?:--silent )?([\w:]+)/;
const PATH = /^(?:src|test|bench|scripts|examples|deploy|docs)\/[\w./-]*\w$/;

/** The commands, npm's scripts and the files that a page names and that don't exist. */
function unknownIn({ codes, snippets }: Page): string[] {
  const lines = snippets.flatMap(({ language, text }) => (language === "sh" ? text.split("\n") : []));
  return [...codes, ...lines].filter((line) => {
    const script = SCRIPT.exec(line)?.[1];
    if (script !== undefined && !(script in scripts)) return true;
    const words = COMMAND.exec(line)?.[1]?.trim().split(/\s+/);
    if (words && !isKnown(program, words)) return true;
    return PATH.test(line) && !existsSync(join(ROOT, line));
  });
}

/** Whether these words call a command that there is, with options that it has. */
function isKnown(command: Command, words: readonly string[]): boolean {
  const [word = "", ...others] = words;
  // What pages write where any command may stand.
  if (word === "…" || word === "<command>") return true;
  const nested = command.commands.find((one) => one.name() === word);
  if (nested) return isKnown(nested, others);
  const has = (flag: string) => flag === "--json" || command.options.some(({ long }) => long === flag);
  const flags = words.filter((one) => one.startsWith("--")).map((one) => one.split("=")[0] ?? "");
  return command !== program && flags.every(has);
}

// The changelog and the decisions also tell of what is no more.
const pages = markdownFiles().filter(
  (path) => path !== "CHANGELOG.md" && !path.startsWith("docs/decisions/"),
);

describe("commands, scripts and files", () => {
  test.for(pages.map((path) => [path]))("that %s names exist", ([path = ""]) => {
    expect(unknownIn(readPage(path))).toEqual([]);
  });

  test.each([
    "user-mirror repair",
    "user-mirror keys make --name a",
    "npx user-mirror reconcile --fully",
    "npm run tests",
    "src/none.ts",
  ])("that don't exist are found: %s", (code) => {
    expect(unknownIn(parsePage("docs/here.md", `Say \`${code}\`.`))).toEqual([code]);
  });
});
