import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { lexer } from "marked";
import { describe, expect, test } from "vitest";
import { markdownFiles, type Page, parsePage, ROOT, readPage } from "../support/markdown.js";

const pages = new Map(markdownFiles().map((path) => [path, readPage(path)]));

/** The links of a page that lead to no file, or to no heading of it. Links to other hosts are left out. */
function brokenLinks(page: Page, others: ReadonlyMap<string, Page>): string[] {
  return page.links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [file = "", anchor] = link.split("#");
    const path = file === "" ? page.path : normalize(join(dirname(page.path), decodeURIComponent(file)));
    if (path.startsWith("..") || !existsSync(join(ROOT, path))) return true;
    return anchor !== undefined && others.get(path)?.anchors.has(anchor) !== true;
  });
}

describe("the markdown files", () => {
  test("are all looked at", () => {
    expect(pages.size).toBeGreaterThan(30);
    expect([...pages.keys()]).toContain("README.md");
  });

  test.for([...pages.keys()].map((path) => [path]))(
    "%s links to files and headings that exist",
    ([path = ""]) => {
      expect(brokenLinks(pages.get(path) as Page, pages)).toEqual([]);
    },
  );

  test("can each be reached from the README", () => {
    const reached = new Set(["README.md"]);
    for (const path of reached) {
      for (const link of pages.get(path)?.links ?? []) {
        const target = normalize(join(dirname(path), link.split("#")[0] ?? ""));
        if (pages.has(target)) reached.add(target);
      }
    }
    expect([...pages.keys()].filter((path) => !reached.has(path))).toEqual([]);
  });
});

/** The markdown below `docs/`, which both indexes must lead to. */
const documents = [...pages.keys()].filter((path) => path.startsWith("docs/") && path.endsWith(".md"));

const linkedFrom = (path: string) =>
  (pages.get(path)?.links ?? []).map((link) => normalize(join(dirname(path), link.split("#")[0] ?? "")));

describe("docs/README.md", () => {
  test.for(documents.map((path) => [path]))(
    "leads to %s, by itself or by its folder's page",
    ([path = ""]) => {
      const index = linkedFrom("docs/README.md");
      const folders = [join(dirname(path), "README.md"), "docs/BENCHMARKS.md"];
      const found = [...index, ...folders.filter((one) => index.includes(one)).flatMap(linkedFrom)];
      expect([...found, "docs/README.md"]).toContain(path);
    },
  );
});

/** By the convention of llmstxt.org: a title, a summary in a quotation, text, and sections of links, each with a line about it. */
describe("docs/llms.txt", () => {
  const { text } = readPage("docs/llms.txt");
  const [title, summary, ...rest] = lexer(text).filter(({ type }) => type !== "space");

  test("has a title, a summary and sections of links", () => {
    expect(title).toMatchObject({ type: "heading", depth: 1 });
    expect(summary?.type).toBe("blockquote");
    const [first = "", ...sections] = text.split(/^## /m);
    expect(rest.filter((token) => token.type === "heading" && token.depth !== 2)).toEqual([]);
    expect(first).not.toMatch(/^[-#] \[/m);
    for (const section of sections) {
      const [, , ...lines] = section.trim().split("\n");
      expect(lines.filter((line) => !/^- \[[^\]]+\]\([^)]+\): \S.+[^.]$/.test(line))).toEqual([]);
      expect(lines).not.toEqual([]);
    }
  });

  test("has each page once", () => {
    const linked = linkedFrom("docs/llms.txt");
    expect(linked).toEqual([...new Set(linked)]);
    expect(documents.filter((path) => !linked.includes(path))).toEqual([]);
  });
});

describe("the checker of links", () => {
  const there = parsePage("docs/there.md", "# One `two`\n\n## Two [words](x.md)\n\n## Two words");

  test("knows the anchors that GitHub makes", () => {
    expect([...there.anchors]).toEqual(["one-two", "two-words", "two-words-1"]);
  });

  test.each(["nowhere.md", "../LICENSE#part", "#nothing", "../../outside.md"])(
    "finds that %s is broken",
    (link) => {
      const page = parsePage("docs/here.md", `[a](${link})\n\n\`[b](not-a-link.md)\``);
      expect(brokenLinks(page, new Map([["docs/here.md", page]]))).toEqual([link]);
    },
  );
});
