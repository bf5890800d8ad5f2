import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import GithubSlugger from "github-slugger";
import { lexer, type Token, type Tokens, walkTokens } from "marked";

/** The root of the checkout. */
export const ROOT = join(import.meta.dirname, "../..");

/** A fenced block of code, and the heading that it stands below. */
export interface Snippet {
  language: string;
  /** What stands behind the language, if anything does. */
  kind: string;
  heading: string;
  text: string;
}

/** A table, and the heading that it stands below. */
export interface Table {
  heading: string;
  columns: string[];
  rows: Cell[][];
}

/** A cell as it is written, without what escapes it, and what stands in it as code. */
export interface Cell {
  text: string;
  codes: string[];
}

export interface Page {
  /** Relative to the root. */
  path: string;
  text: string;
  /** What links and pictures point to, as written. */
  links: string[];
  /** The anchors that GitHub gives its headings. */
  anchors: Set<string>;
  /** What stands as code within sentences. */
  codes: string[];
  snippets: Snippet[];
  tables: Table[];
}

/** Every markdown file that git knows or could know: what it ignores is left out. */
export function markdownFiles(): string[] {
  const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "*.md", "docs/llms.txt"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  return files.split("\n").filter((path) => path !== "");
}

/** Reads a page of the checkout. Throws where it doesn't exist. */
export function readPage(path: string): Page {
  return parsePage(path, readFileSync(join(ROOT, path), "utf8"));
}

export function parsePage(path: string, text: string): Page {
  const slugger = new GithubSlugger();
  const page: Page = { path, text, links: [], anchors: new Set(), codes: [], snippets: [], tables: [] };
  let heading = "";
  walkTokens(lexer(text), (token: Token) => {
    if (token.type === "heading") {
      heading = plain(token.tokens ?? []);
      page.anchors.add(slugger.slug(heading));
    }
    if (token.type === "link" || token.type === "image") page.links.push(token.href);
    if (token.type === "codespan") page.codes.push(token.text);
    if (token.type === "code" && token.lang !== undefined) {
      const [language = "", kind = ""] = token.lang.split(" ");
      page.snippets.push({ language, kind, heading, text: token.text });
    }
    if (token.type === "table") {
      const rows = (token as Tokens.Table).rows.map((row) => row.map(cellOf));
      page.tables.push({ heading, columns: (token as Tokens.Table).header.map(({ text }) => text), rows });
    }
  });
  return page;
}

const cellOf = ({ text, tokens }: Tokens.TableCell): Cell => ({
  text,
  codes: tokens.flatMap((token) => (token.type === "codespan" ? [token.text] : [])),
});

/** A heading as a reader sees it: without links and marks. */
const plain = (tokens: readonly Token[]): string =>
  tokens
    .map((token) =>
      "tokens" in token && token.tokens ? plain(token.tokens) : "text" in token ? token.text : "",
    )
    .join("");
