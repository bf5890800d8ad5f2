import type { SourceFile } from "./imports.js";

/**
 * Which of these sources no test is responsible for: neither one at the mirrored path (`src/query/counts.ts` →
 * `test/query/counts.pg.test.ts`), nor one whose first lines say `// Covers src/…`. A path there may end in `/`, for a
 * whole folder, and hold `*` or `{one,other}`.
 */
export function uncovered(sources: readonly SourceFile[], tests: readonly SourceFile[]): string[] {
  const mirrored = new Set(
    tests.map(({ path }) => path.replace(/^test\//, "src/").replace(/(\.pg|\.system)?\.test\.ts$/, ".ts")),
  );
  const named = tests.flatMap(({ text }) => patternsIn(text));
  return sources
    .map(({ path }) => path)
    .filter((path) => !mirrored.has(path) && !named.some((pattern) => pattern.test(path)));
}

/** Paths in a header that match no file: what they named has moved. */
export function stalePatterns(files: readonly SourceFile[], tests: readonly SourceFile[]): string[] {
  const paths = files.map(({ path }) => path);
  return tests.flatMap(({ path, text }) =>
    patternsIn(text)
      .filter((pattern) => !paths.some((one) => pattern.test(one)))
      .map((pattern) => `${path} covers ${pattern.source}, which is not there`),
  );
}

function patternsIn(text: string): RegExp[] {
  const [header = ""] = /^(\/\/.*\n)+/.exec(text) ?? [];
  const joined = header.replace(/\n?\/\/ ?/g, " ").trim();
  if (!joined.startsWith("Covers ")) return [];
  return joined
    .slice("Covers ".length)
    .split(/,\s+/)
    .filter((path) => path.startsWith("src/"))
    .flatMap(alternatives)
    .map(
      (path) =>
        new RegExp(
          `^${path.replace(/[.]/g, "\\.").replaceAll("*", "[^/]*")}${path.endsWith("/") ? "" : "$"}`,
        ),
    );
}

/** `a/{b,c}.ts` → `a/b.ts` and `a/c.ts`. */
function alternatives(path: string): string[] {
  const [, before, list, after] = /^(.*)\{(.*)\}(.*)$/.exec(path) ?? [];
  return list === undefined ? [path] : list.split(",").map((one) => `${before}${one}${after}`);
}
