// Covers src/cli/{program,completion-scripts,examples}.ts

import { execFileSync } from "node:child_process";
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { scriptFor } from "../../src/cli/completion-scripts.js";
import { createProgram } from "../../src/cli/program.js";
import { CLI } from "../support/programs.js";

/** Every command with the words that lead to it, the program itself with none. */
function commandsOf(command: Command, words: string[] = []): { command: Command; words: string[] }[] {
  return [
    { command, words },
    ...command.commands.flatMap((each) => commandsOf(each, [...words, each.name()])),
  ];
}

const namesIn = (command: Command) => command.commands.map((each) => each.name());
const optionsOf = (command: Command) =>
  command.options.flatMap(({ short, long }) => [short, long]).filter((one) => one !== undefined);

const script = execFileSync(process.execPath, [CLI, "completion", "bash"], { encoding: "utf8" });

/** What a real bash offers behind these words, for each of several lines. */
function offeredBy(lines: readonly (readonly string[])[]): string[][] {
  const asked = lines.map((words) => {
    const typed = ["user-mirror", ...words].map((word) => `'${word}'`).join(" ");
    return `COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; COMPREPLY=(); _user_mirror; echo "\${COMPREPLY[*]}"`;
  });
  const printed = execFileSync("bash", ["--norc", "-c", [script, ...asked].join("\n")], {
    encoding: "utf8",
  });
  return printed
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split(" ").filter(Boolean));
}

describe("completion in bash", () => {
  const all = commandsOf(createProgram());

  test("offers every command and every option of the program in its place", () => {
    const commands = offeredBy(all.map(({ words }) => [...words, ""]));
    const options = offeredBy(all.map(({ words }) => [...words, "-"]));
    expect(all.length).toBeGreaterThan(25);
    for (const [n, { command }] of all.entries()) {
      expect(commands[n]).toEqual(expect.arrayContaining(namesIn(command)));
      expect(commands[n]?.filter((word) => word.startsWith("-"))).toEqual([]);
      expect(options[n]).toEqual(expect.arrayContaining([...optionsOf(command), "--help"]));
    }
  });

  test("narrows down to what was begun, behind options and arguments too", () => {
    expect(
      offeredBy([
        ["us"],
        ["users", "l"],
        ["keys", "--help", "re"],
        ["keys", "create", "--sc"],
        ["keys", "create", "--name", ""],
        ["completion", ""],
        ["nothing", "of", "ours", "--v"],
      ]),
    ).toEqual([["users"], ["list"], ["revoke"], ["--scope"], [], ["bash", "zsh", "fish"], ["--version"]]);
  });
});

test.each(["zsh", "fish"] as const)(
  "the script for %s has every command and every option, each with a word about it",
  (shell) => {
    const program = createProgram();
    const text = scriptFor(shell, program);
    for (const { command, words } of commandsOf(program)) {
      if (words.length > 0) expect(text).toContain(`'/${words.join("/")}'`);
      for (const option of optionsOf(command)) {
        const named =
          shell === "zsh"
            ? `'${option}:`
            : option.startsWith("--")
              ? ` -l ${option.slice(2)} `
              : ` -s ${option.slice(1)} `;
        expect(text).toContain(named);
      }
      if (words.length > 0) expect(command.description()).not.toBe("");
    }
  },
);

test("a shell that isn't known is refused with those that are", () => {
  const run = () =>
    execFileSync(process.execPath, [CLI, "completion", "tcsh"], { encoding: "utf8", stdio: "pipe" });
  expect(run).toThrow(/bash, zsh, fish/);
});

/** What `--help` prints of a command. */
function helpOf(command: Command): string {
  let shown = "";
  command.configureOutput({ writeOut: (text) => (shown += text) }).outputHelp();
  return shown;
}

describe("help", () => {
  test("says what each command is for, and how one begins", () => {
    const program = createProgram();
    const shown = helpOf(program);
    for (const command of program.commands) expect(shown).toMatch(new RegExp(`^  ${command.name()} `, "m"));
    expect(shown).toMatch(/doctor +what is missing or wrong before the first start/);
  });

  test("offers --json of every command that prints, but of the one that prints a script", () => {
    const leaves = commandsOf(createProgram()).filter(({ command }) => command.commands.length === 0);
    const without = leaves.filter(({ command }) => !optionsOf(command).includes("--json"));
    expect(without.map(({ words }) => words.join(" ")).sort()).toEqual(["completion", "demo", "serve"]);
  });

  test("of every command shows what one types, with options that it has", () => {
    const leaves = commandsOf(createProgram()).filter(({ command }) => command.commands.length === 0);
    for (const { command, words } of leaves) {
      const lines = [...helpOf(command).matchAll(/(?:^ +\$ |<\()user-mirror ([^|&)\n]*)/gm)].map(
        ([, line]) => line ?? "",
      );
      const own = lines.filter((line) => line.startsWith(words.join(" ")));
      expect({ command: words.join(" "), examples: own.length }).not.toEqual({
        command: words.join(" "),
        examples: 0,
      });
      const taken = new Set([...optionsOf(command)]);
      const used = own.flatMap((line) => line.match(/(?<= )--[\w-]+/g) ?? []);
      expect(used.filter((option) => !taken.has(option))).toEqual([]);
    }
  });
});
