import { execFile } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parser as goParser } from "@lezer/go";
import type { LRParser } from "@lezer/lr";
import { parser as phpParser } from "@lezer/php";
import { parser as pythonParser } from "@lezer/python";
import { loadPrism } from "@ruby/prism";
import { parseAllDocuments } from "yaml";
import { markdownFiles, ROOT, readPage, type Snippet } from "./markdown.js";

export interface NamedSnippet extends Snippet {
  /** Page, heading and language, and a number where that is not enough: says which one in lists and titles. */
  name: string;
  page: string;
}

/** The snippets of all pages that name a language, in the order in which they stand there. */
export function allSnippets(): NamedSnippet[] {
  const seen = new Map<string, number>();
  return markdownFiles().flatMap((page) =>
    readPage(page)
      .snippets.filter(({ language }) => language !== "")
      .map((snippet) => {
        const name = `${page}: ${snippet.heading}: ${snippet.language}`;
        const n = (seen.get(name) ?? 0) + 1;
        seen.set(name, n);
        return { ...snippet, page, name: n === 1 ? name : `${name} ${n}` };
      }),
  );
}

/** Throws where a snippet can't be read in its language, or in one that nobody reads here. TypeScript is read by `compilerSays`. */
export async function expectSyntax({ language, text }: Pick<Snippet, "language" | "text">): Promise<void> {
  const read = SYNTAX[language];
  if (!read) throw new Error(`a snippet in ${language || "no language"}: who reads it?`);
  await read(text);
}

const unread = () => {};
const SYNTAX: Record<string, (text: string) => unknown> = {
  json: (text) => JSON.parse(text),
  sh: (text) => promisify(execFile)("bash", ["-nc", text]),
  yaml(text) {
    for (const { errors } of parseAllDocuments(text)) if (errors[0]) throw errors[0];
  },
  python: (text) => parseWith(pythonParser, text),
  go: (text) => parseWith(goParser, `package main\nfunc main() {\n${text}\n}`),
  php: (text) => parseWith(phpParser, `<?php\n${text}`),
  async ruby(text) {
    const [error] = (await loadPrism())(text).errors;
    if (error) throw new SyntaxError(error.message);
  },
  // Running them reads them.
  ts: unread,
  sql: unread,
  scim: unread,
  link: unread,
  // Pictures, grammars and configurations of other programs, which nothing here reads.
  text: unread,
  mermaid: unread,
  nginx: unread,
};

function parseWith(parser: LRParser, text: string): void {
  parser.parse(text).iterate({
    enter({ type, from }) {
      if (type.isError) throw new SyntaxError(`not understood from here: ${text.slice(from, from + 40)}`);
    },
  });
}

/** Makes of this folder one where `node --import tsx NAME.ts` finds what applications import: packages, and `user-mirror/client`. */
export function preparePrograms(folder: string): void {
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const compilerOptions = {
    ...{ strict: true, noEmit: true, skipLibCheck: true },
    ...{ module: "nodenext", target: "es2023", types: ["node"] },
    paths: { "user-mirror/client": [join(ROOT, "src/client/client.ts")] },
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
}

/** What the compiler says of the programs in such a folder; empty: nothing is wrong with them. */
export async function compilerSays(folder: string): Promise<string> {
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  return promisify(execFile)(process.execPath, [tsc], { cwd: folder }).then(
    () => "",
    ({ stdout }) => stdout,
  );
}
