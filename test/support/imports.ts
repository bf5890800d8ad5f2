import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** A source file and what it imports from the project, as paths from `src/`. */
export interface SourceFile {
  path: string;
  text: string;
  imports: string[];
}

/** Every TypeScript file under a folder. */
export function readSources(folder: string): SourceFile[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => sourceFile(file.replaceAll("\\", "/"), readFileSync(join(folder, file), "utf8")));
}

export function sourceFile(path: string, text: string): SourceFile {
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map(([, target]) => target ?? "");
  const root = resolve("/");
  const imports = found.map((target) => {
    const absolute = resolve(root, dirname(path), target);
    return relative(root, absolute).replaceAll("\\", "/").replace(/\.js$/, ".ts");
  });
  return { path, text, imports };
}

/** The layers, from left to right: a folder imports only from layers to its right. Those in one row don't know each other. */
const LAYERS = [
  ["cli"],
  ["runtime"],
  ["http"],
  ["sync", "query"],
  ["upstream", "auth", "cache"],
  ["db"],
  ["clerk"],
];
const EVERYWHERE = ["lib", "observability"];

/** `sync/apply.ts` → `sync`; `runtime.ts` → `runtime`. */
const layerOf = (path: string) => (path.split("/")[0] ?? "").replace(/\.ts$/, "");
const rankOf = (layer: string) => LAYERS.findIndex((row) => row.includes(layer));

/** Pairs that the table alone would allow. */
const FORBIDDEN = [["upstream", "db"]];

/** What is wrong with a file's imports, one sentence each. */
export function importProblems({ path, imports }: SourceFile): string[] {
  const own = layerOf(path);
  return imports.flatMap((target) => {
    const other = layerOf(target);
    const problem = (reason: string) => [`${path} imports ${target}: ${reason}`];
    if (other === own) return [];
    if (own === "sandbox") return problem("the sandbox shares nothing with the mirror");
    if (other === "sandbox") {
      return path === "cli/sandbox.ts" ? [] : problem("only cli/sandbox.ts starts the sandbox");
    }
    if (other === "config") {
      return own === "runtime" || own === "cli" ? [] : problem("parts get their slice of the configuration");
    }
    if (EVERYWHERE.includes(other)) return [];
    if (EVERYWHERE.includes(own) || own === "config") return problem(`${own} knows no layer`);
    if (rankOf(own) === -1 || rankOf(other) === -1) return problem("no such layer");
    if (FORBIDDEN.some(([from, to]) => from === own && to === other))
      return problem(`${own} doesn't know ${other}`);
    return rankOf(other) > rankOf(own) ? [] : problem(`${other} is not to the right of ${own}`);
  });
}

const FOLDED_TABLES =
  "users|user_search|user_grams|user_activity|user_metadata|user_identifiers|organizations|organization_memberships";
const WRITERS = ["sync/apply-users.ts", "sync/apply-organizations.ts", "sync/user-tables.ts"];

/** What else the structure forbids. */
export function structureProblems({ path, text }: SourceFile): string[] {
  const problems: string[] = [];
  const writes = new RegExp(`(insert into|update|delete from) mirror_data\\.(${FOLDED_TABLES})\\b`);
  if (writes.test(text) && !WRITERS.includes(path)) {
    problems.push(`${path} writes a table that only ${WRITERS.join(", ")} write`);
  }
  if (/process\.env\b/.test(text) && path !== "cli/context.ts") {
    problems.push(`${path} reads process.env: configuration comes from config.ts`);
  }
  if (/^export default\b/m.test(text)) problems.push(`${path} has a default export`);
  return problems;
}
