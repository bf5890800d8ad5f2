import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { FOLDED_TABLES } from "../../src/db/tables/registry.js";

/** A file and what it imports from the project; all paths from the project's root. */
export interface SourceFile {
  path: string;
  text: string;
  imports: string[];
}

/** Every TypeScript file in these folders, types included. */
export function readSources(root: string, folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => /\.tsx?$/.test(file) && !file.includes("node_modules"))
      .map((file) => {
        const path = `${folder}/${file.replaceAll("\\", "/")}`;
        return sourceFile(path, readFileSync(join(root, path), "utf8"));
      }),
  );
}

export function sourceFile(path: string, text: string): SourceFile {
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map(([, target]) => target ?? "");
  const imports = found.map((target) =>
    normalize(join(dirname(path), target))
      .replaceAll("\\", "/")
      .replace(/\.js$/, ".ts"),
  );
  return { path, text, imports };
}

/** Rows from left to right: what stands in one imports only from rows to its right; those in one row don't know each other. */
type Rows = readonly (readonly string[])[];

const LAYERS: Rows = [
  ["cli"],
  ["runtime"],
  ["http"],
  ["operations"],
  ["sync", "query"],
  ["changes", "cache", "auth", "upstream"],
  ["db"],
  ["clerk"],
];
const EVERYWHERE = ["lib", "observability"];

/** Pairs that the rows alone would allow. */
const FORBIDDEN = [["upstream", "db"]];

/** The rows inside a folder. `.` are the files that lie in none of its rooms. */
const ROOMS: Readonly<Record<string, Rows>> = {
  "src/sync": [["schedule", "answers"], ["reconcile", "webhooks", "upkeep"], ["apply"], ["ledger"], ["fold"]],
  "src/db": [["."], ["setup", "embedded"], ["connection"], ["tables"]],
  "src/http/dashboard": [["."], ["pages"], ["parts"], ["model"], ["visit"], ["assets"]],
  "src/sandbox": [["."], ["api"], ["faults"], ["world"]],
  bench: [
    ["."],
    ["dashboard", "history"],
    ["loop", "peers", "queries"],
    ["http"],
    ["sync", "sql"],
    ["people"],
    ["report"],
  ],
};

/** `src/sync/apply/rows.ts` → `sync`; `src/config.ts` → `config`. */
const layerOf = (path: string) => (path.split("/")[1] ?? "").replace(/\.ts$/, "");
const rankIn = (rows: Rows, name: string) => rows.findIndex((row) => row.includes(name));

/** What is wrong with a file's imports, one sentence each. */
export function importProblems(file: SourceFile): string[] {
  return file.imports.flatMap((target) => {
    const reason = betweenTrees(file.path, target) ?? betweenRooms(file.path, target);
    return reason === null ? [] : [`${file.path} imports ${target}: ${reason}`];
  });
}

function betweenTrees(path: string, target: string): string | null {
  const [from = "", to = ""] = [path.split("/")[0], target.split("/")[0]];
  if (from === "src" && to === "src") return betweenLayers(path, layerOf(path), layerOf(target));
  if (from === "src") return "the product knows neither its tests nor its benchmarks";
  if (from === "bench" && to === "test") return "benchmarks don't stand on tests";
  if (from === "test" && to === "bench") return "tests don't stand on benchmarks";
  if (path.startsWith("test/support/") && /\.test\.ts$/.test(target)) return "what supports tests knows none";
  return null;
}

function betweenLayers(path: string, own: string, other: string): string | null {
  if (other === own) return null;
  if (own === "sandbox") return "the sandbox shares nothing with the mirror";
  if (other === "sandbox")
    return path === "src/cli/sandbox.ts" ? null : "only cli/sandbox.ts starts the sandbox";
  if (own === "client") return "applications take the client alone";
  if (other === "client") return path.startsWith("src/cli/") ? null : "the client is for applications";
  if (other === "config") {
    return own === "runtime" || own === "cli" ? null : "parts get their slice of the configuration";
  }
  if (EVERYWHERE.includes(other)) return null;
  if (EVERYWHERE.includes(own) || own === "config") return `${own} knows no layer`;
  const [left, right] = [rankIn(LAYERS, own), rankIn(LAYERS, other)];
  if (left === -1 || right === -1) return "no such layer";
  if (FORBIDDEN.some(([from, to]) => from === own && to === other)) return `${own} doesn't know ${other}`;
  return right > left ? null : `${other} is not to the right of ${own}`;
}

function betweenRooms(path: string, target: string): string | null {
  for (const [folder, rows] of Object.entries(ROOMS)) {
    if (!path.startsWith(`${folder}/`) || !target.startsWith(`${folder}/`)) continue;
    const [own, other] = [roomOf(folder, path), roomOf(folder, target)];
    if (own === other) return null;
    const [left, right] = [rankIn(rows, own), rankIn(rows, other)];
    if (left === -1 || right === -1) return `no such room in ${folder}`;
    return right > left ? null : `${other} is not to the right of ${own} in ${folder}`;
  }
  return null;
}

function roomOf(folder: string, path: string): string {
  const [room = "", ...rest] = path.slice(folder.length + 1).split("/");
  return rest.length > 0 ? room : ".";
}

/** Files that import each other in a circle, however long it is, each circle sorted: Tarjan's strongly connected components. */
export function circles(files: readonly SourceFile[]): string[][] {
  const imports = new Map(files.map(({ path, imports }) => [path, imports]));
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const found: string[][] = [];

  function visit(path: string): number {
    const own = order.size;
    order.set(path, own);
    lowest.set(path, own);
    open.push(path);
    for (const target of imports.get(path) ?? []) {
      if (!imports.has(target)) continue;
      const reached = order.has(target)
        ? open.includes(target)
          ? (order.get(target) ?? own)
          : own
        : visit(target);
      lowest.set(path, Math.min(lowest.get(path) ?? own, reached));
    }
    if (lowest.get(path) === own) {
      const circle = open.splice(open.indexOf(path));
      if (circle.length > 1) found.push(circle.sort());
    }
    return lowest.get(path) ?? own;
  }

  for (const { path } of files) if (!order.has(path)) visit(path);
  return found;
}

const WRITERS = /^src\/sync\/apply\/(touch|organizations|user-tables|erase)\.ts$/;

/** What else the structure of the product forbids. */
export function structureProblems({ path, text }: SourceFile): string[] {
  const problems: string[] = [];
  const writes = new RegExp(
    `(insert into|update|delete from) mirror_data\\.(${Object.keys(FOLDED_TABLES).join("|")})\\b`,
  );
  if (writes.test(text) && !WRITERS.test(path))
    problems.push(`${path} writes a table that only sync/apply writes`);
  if (/process\.env\b/.test(text) && path !== "src/cli/context.ts") {
    problems.push(`${path} reads process.env: configuration comes from config.ts`);
  }
  if (/^export default\b/m.test(text)) problems.push(`${path} has a default export`);
  return problems;
}
