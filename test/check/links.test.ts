import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
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
