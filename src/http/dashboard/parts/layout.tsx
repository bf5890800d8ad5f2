import { raw } from "hono/html";
import type { Child } from "hono/jsx";
import type { Scope } from "../../../auth/scopes.js";
import type { Visit } from "../visit/visit.js";

/** A page in the navigation. */
export interface PageLink {
  /** Below `/dashboard/`; the overview's is empty. */
  path: string;
  title: string;
  /** Behind `g`, it opens the page. */
  letter: string;
  /** Without this scope the page shows nothing, so that the navigation leaves it out. */
  scope: Scope;
}

export interface LayoutProps {
  visit: Visit;
  title: string;
  /** What the navigation shows to this key. */
  links: readonly PageLink[];
  children?: Child;
}

/** A whole page of the dashboard. */
export function Layout({ visit, title, links, children }: LayoutProps) {
  return (
    <Document visit={visit} title={title}>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="top">
        <a class="brand" href={visit.link("")}>
          <img src={visit.asset("icon.svg")} alt="" width="22" height="22" /> User Mirror
        </a>
        <nav aria-label="Pages">
          {links.map(({ path, title: name, letter }) => (
            <a
              href={visit.link(path)}
              aria-current={visit.page === path ? "page" : undefined}
              data-key={`g ${letter}`}
            >
              {name}
            </a>
          ))}
        </nav>
        <div class="who">
          {visit.isReadOnly && (
            <span class="badge" title="This key may look at things and change nothing">
              read-only
            </span>
          )}
          <span class="quiet key-name" title="The key that is signed in">
            {visit.name}
          </span>
          <ThemeSwitch visit={visit} />
          <form method="post" action={visit.link("sign-out")}>
            <Csrf visit={visit} />
            <button type="submit" class="plain">
              Sign out
            </button>
          </form>
        </div>
      </header>
      <main id="main" tabindex={-1}>
        <h1>{title}</h1>
        <div id="problem"></div>
        {children}
      </main>
      <dialog id="shortcuts" aria-labelledby="shortcuts-title">
        <h2 id="shortcuts-title">Keyboard shortcuts</h2>
        <dl class="keys">
          <dt>/</dt>
          <dd>search</dd>
          {links.map(({ title: name, letter }) => (
            <>
              <dt>g {letter}</dt>
              <dd>{name}</dd>
            </>
          ))}
          <dt>?</dt>
          <dd>this list</dd>
        </dl>
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
      </dialog>
    </Document>
  );
}

/** What every page begins with, the sign-in page too. */
export function Document({
  visit,
  title,
  children,
}: {
  visit: Pick<Visit, "theme" | "asset">;
  title: string;
  children?: Child;
}) {
  return (
    <>
      {raw("<!DOCTYPE html>")}
      <html lang="en" data-theme={visit.theme}>
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content={visit.theme === "auto" ? "light dark" : visit.theme} />
          <meta
            name="htmx-config"
            content='{"allowEval":false,"includeIndicatorStyles":false,"historyCacheSize":0,"allowScriptTags":false,"selfRequestsOnly":true,"ignoreTitle":true,"defaultSettleDelay":0}'
          />
          <title>{title} · User Mirror</title>
          <link rel="icon" href={visit.asset("icon.svg")} type="image/svg+xml" />
          <link rel="stylesheet" href={visit.asset("uplot.css")} />
          <link rel="stylesheet" href={visit.asset("dashboard.css")} />
          <script src={visit.asset("htmx.js")} defer></script>
          <script src={visit.asset("uplot.js")} defer></script>
          <script src={visit.asset("dashboard.js")} defer></script>
          <script src={visit.asset("entered.js")} defer></script>
        </head>
        <body>{children}</body>
      </html>
    </>
  );
}

/** Every form that changes anything has it. */
export const Csrf = ({ visit }: { visit: Pick<Visit, "csrf"> }) => (
  <input type="hidden" name="csrf" value={visit.csrf} />
);

function ThemeSwitch({ visit }: { visit: Visit }) {
  const next = { auto: "dark", dark: "light", light: "auto" } as const;
  const label = { auto: "System colours", dark: "Dark", light: "Light" } as const;
  return (
    <form method="post" action={visit.link("theme")}>
      <Csrf visit={visit} />
      <input type="hidden" name="back" value={backTo(visit)} />
      <button type="submit" name="theme" value={next[visit.theme]} class="plain" title="Change the colours">
        {label[visit.theme]}
      </button>
    </form>
  );
}

/** The page that is shown, to come back to after a change. */
function backTo(visit: Visit): string {
  const search = visit.query.toString();
  return `${visit.path}${search === "" ? "" : `?${search}`}`;
}
