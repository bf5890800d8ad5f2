import type { Context } from "hono";
import { demandScope } from "../../../auth/scopes.js";
import { RECENT } from "../../../changes/cursor.js";
import { sleep } from "../../../lib/async.js";
import type { HttpEnv } from "../../respond.js";
import { BASE } from "../assets/base.js";
import { Badge, Empty, Notice, Panel, Time } from "../parts/basics.js";
import { htmlOf } from "../parts/html.js";
import { JsonView } from "../parts/json-view.js";
import { organizationPath, userPath } from "../parts/links.js";
import { statusOf } from "../visit/api.js";
import { liveEvents } from "../visit/live.js";
import { type Visit, visitOf } from "../visit/visit.js";
import type { Page } from "./page.js";

interface Change {
  cursor: string;
  type: string;
  id: string;
  version: number;
  at: number;
  object?: unknown;
}
type Changes = { data: Change[]; next_cursor: string; has_more: boolean };

const KINDS = ["user", "organization", "membership"] as const;
/** As many as count as recent. */
const PER_PAGE = RECENT;
/** After a read that failed. */
const PAUSE_MS = 1000;
/** So many are sent in one event, and stay on the page. */
const [AT_ONCE, MOST_SHOWN] = [100, 200];

/** The change feed, as a consumer sees it: the newest changes and then live, or page by page from the oldest one that is kept. */
export const changesPage: Page = {
  ...{ path: "changes", title: "Changes", letter: "c", scope: "changes:read" },
  mount(routes, show) {
    routes
      .get(`${BASE}/changes`, async (c) => {
        const visit = visitOf(c);
        const after = visit.query.get("after");
        const isLive = after === null;
        const found = await changesFor(visit, after ?? "recent", PER_PAGE);
        return show(c, {
          title: "Changes",
          status: found.isOk ? 200 : statusOf(found),
          content: (
            <>
              <Choice visit={visit} />
              {found.isOk ? (
                <Panel title={isLive ? "Live" : "From a cursor on"}>
                  {isLive ? <LiveHead visit={visit} /> : <Pager visit={visit} page={found.body} />}
                  <Rows visit={visit} page={found.body} isLive={isLive} />
                </Panel>
              ) : (
                <Notice tone="bad">{found.problem}</Notice>
              )}
            </>
          ),
        });
      })
      .get(`${BASE}/changes/live`, (c) => {
        demandScope(visitOf(c).scopes, "changes:read");
        return liveEvents(c, (signal) => changeRows(c, signal));
      });
  },
};

/** What the address asks for, beside where to begin. */
function chosen({ query, scopes }: Visit) {
  const kinds = query.getAll("types").filter((kind) => KINDS.some((one) => one === kind));
  return {
    kinds,
    id: query.get("id")?.trim() ?? "",
    withObjects: query.get("include") === "object" && scopes.has("users:read"),
  };
}

/** The API tells of all ids; those of one are picked out here. */
function changesFor(visit: Visit, after: string, limit: number, waitSeconds = 0) {
  const { kinds, withObjects } = chosen(visit);
  const params = new URLSearchParams({ after, limit: String(limit), wait: String(waitSeconds) });
  if (kinds.length > 0) params.set("types", kinds.join(","));
  if (withObjects) params.set("include", "object");
  return visit.api.get<Changes>(`/mirror/changes?${params}`);
}

const picked = (visit: Visit, { data }: Changes) => {
  const { id } = chosen(visit);
  return id === "" ? data : data.filter((change) => change.id === id);
};

/** A second is the longest that a revoked key goes unnoticed. */
async function* changeRows(c: Context<HttpEnv>, signal: AbortSignal) {
  const visit = visitOf(c);
  let after = c.req.header("Last-Event-ID") ?? visit.query.get("after") ?? "now";
  while (!signal.aborted) {
    const found = await changesFor(visit, after, AT_ONCE, 1);
    if (!found.isOk) {
      yield null;
      await sleep(PAUSE_MS, signal).catch(() => {});
      continue;
    }
    after = found.body.next_cursor;
    const rows = picked(visit, found.body).toReversed();
    const html = await Promise.all(
      rows.map((row) => htmlOf(<Row visit={visit} change={row} nowMs={Date.now()} />)),
    );
    yield html.length === 0 ? null : { event: "prepend" as const, id: after, html: html.join("") };
  }
}

function Choice({ visit }: { visit: Visit }) {
  const { kinds, id, withObjects } = chosen(visit);
  return (
    <form class="row panel" method="get" action={visit.link("changes")} aria-label="Which changes">
      {KINDS.map((kind) => (
        <label class="inline">
          <input type="checkbox" name="types" value={kind} checked={kinds.includes(kind)} /> {kind}s
        </label>
      ))}
      <label>
        Of this id alone
        <input name="id" value={id} placeholder="user_…" size={30} />
      </label>
      {visit.scopes.has("users:read") && (
        <label class="inline">
          <input type="checkbox" name="include" value="object" checked={withObjects} /> with objects
        </label>
      )}
      <button type="submit">Show</button>
    </form>
  );
}

function kept({ query }: Visit, after: string | null): string {
  const params = new URLSearchParams([...query].filter(([name]) => name !== "after"));
  if (after !== null) params.set("after", after);
  return params.size === 0 ? "" : `?${params}`;
}

const LiveHead = ({ visit }: { visit: Visit }) => (
  <p class="row">
    <button type="button" data-pause="#changes" aria-pressed="false">
      Pause
    </button>
    <span class="quiet">
      The newest stands first.{" "}
      <a href={`${visit.link("changes")}${kept(visit, "start")}`}>From the oldest that is kept</a>
    </span>
  </p>
);

const Pager = ({ visit, page }: { visit: Visit; page: Changes }) => (
  <p class="row">
    <a class="button" href={`${visit.link("changes")}${kept(visit, null)}`}>
      Live
    </a>
    {page.has_more && (
      <a class="button" rel="next" href={`${visit.link("changes")}${kept(visit, page.next_cursor)}`}>
        Next page
      </a>
    )}
    <span class="quiet">
      Next cursor: <code>{page.next_cursor}</code>
    </span>
  </p>
);

function Rows({ visit, page, isLive }: { visit: Visit; page: Changes; isLive: boolean }) {
  const { kinds, id, withObjects } = chosen(visit);
  const rows = isLive ? picked(visit, page).toReversed() : picked(visit, page);
  const live = isLive
    ? {
        "data-live": `${visit.link("changes/live")}${kept(visit, page.next_cursor)}`,
        "data-most": MOST_SHOWN,
      }
    : {};
  return (
    <>
      <section class="scroll" tabindex={0} aria-label="Changes in the order of their commits">
        <table>
          <caption class="hidden">Changes</caption>
          <thead>
            <tr>
              {["what", "id", "when", "version", ...(withObjects ? ["object"] : [])].map((head) => (
                <th scope="col">{head}</th>
              ))}
            </tr>
          </thead>
          <tbody id="changes" aria-live="polite" {...live}>
            {rows.map((change) => (
              <Row visit={visit} change={change} nowMs={visit.nowMs} />
            ))}
          </tbody>
        </table>
      </section>
      {rows.length === 0 && (
        <Empty title={isLive ? noneOf(kinds.length > 0 || id !== "") : "No such change on this page"}>
          {isLive ? "What commits from now on appears above by itself." : "The next page may have some."}
        </Empty>
      )}
    </>
  );
}

const noneOf = (areChosen: boolean) =>
  areChosen ? `None of the newest ${PER_PAGE} changes is such a one` : "Nothing has changed yet";

function Row({ visit, change, nowMs }: { visit: Visit; change: Change; nowMs: number }) {
  const { type, id, version, at, object, cursor } = change;
  const isGone = type.endsWith(".deleted");
  return (
    <tr title={cursor}>
      <td>
        <Badge tone={isGone ? "warn" : "quiet"}>{type}</Badge>
      </td>
      <td class="mono">
        <Linked visit={visit} type={type} id={id} />
      </td>
      <td>
        <Time at={at} nowMs={nowMs} />
      </td>
      <td class="mono">{version === 0 ? "–" : version}</td>
      {chosen(visit).withObjects && (
        <td>
          {object == null ? (
            <span class="quiet">gone</span>
          ) : (
            <details>
              <summary>as it is now</summary>
              <JsonView name={`${type} ${id}`} value={object} />
            </details>
          )}
        </td>
      )}
    </tr>
  );
}

function Linked({ visit, type, id }: { visit: Visit; type: string; id: string }) {
  if (!visit.scopes.has("users:read") || type.startsWith("membership")) return <>{id}</>;
  const path = type.startsWith("user") ? userPath(id) : organizationPath(id);
  return <a href={visit.link(path)}>{id}</a>;
}
