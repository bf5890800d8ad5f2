import { demandScope } from "../../../auth/scopes.js";
import type { Run } from "../../../sync/ledger/runs.js";
import { BASE } from "../assets/base.js";
import { count, Empty, Notice, OfNumbers, Panel, Table, Time } from "../parts/basics.js";
import { htmlOf } from "../parts/html.js";
import { Csrf } from "../parts/layout.js";
import { RunState, wordsOf } from "../parts/run-state.js";
import { type Answer, statusOf } from "../visit/api.js";
import { liveHtml } from "../visit/live.js";
import { redirect } from "../visit/redirect.js";
import { type Visit, visitOf } from "../visit/visit.js";
import type { Page } from "./page.js";
import { OneRun, REASONS, runOf } from "./run.js";

type Runs = { data: Run[]; next: string | null };
const STARTED = [
  ["incremental", "Check what changed", "seconds: recent changes, and the counts"],
  ["full", "Compare every user", "everything, repairing what differs"],
  ["dry_run", "Dry run", "compares everything and changes nothing"],
] as const;

/** Runs: how they go, what they found, starting and stopping them. */
export const runsPage: Page = {
  ...{ path: "runs", title: "Runs", letter: "r", scope: "admin" },
  mount(routes, show) {
    routes
      .get(`${BASE}/runs`, async (c) => {
        const visit = visitOf(c);
        const found = await runsFor(visit);
        return show(c, {
          title: "Runs",
          status: found.isOk ? 200 : statusOf(found),
          content: (
            <>
              <StartForm visit={visit} />
              <Choice visit={visit} />
              <div id="runs" data-live={visit.link("runs/live", chosen(visit))} aria-live="off">
                <RunList visit={visit} found={found} nowMs={visit.nowMs} />
              </div>
            </>
          ),
        });
      })
      .get(`${BASE}/runs/live`, (c) => {
        const visit = visitOf(c);
        demandScope(visit.scopes, "admin");
        return liveHtml(
          c,
          () => runsFor(visit),
          (found) => htmlOf(<RunList visit={visit} found={found} nowMs={Date.now()} />),
        );
      })
      .post(`${BASE}/runs`, async (c) => {
        const visit = visitOf(c);
        const { mode } = await c.req.parseBody();
        const started = await visit.api.send<{ run_id: string }>("POST", "/mirror/reconcile", { mode });
        if (started.isOk) return redirect(c, visit.link(`runs/${started.body.run_id}`));
        const content = <Notice tone="bad">{started.problem}</Notice>;
        return show(c, { title: "Runs", status: statusOf(started), content });
      })
      .get(`${BASE}/runs/:id`, async (c) => {
        const visit = visitOf(c);
        const id = c.req.param("id");
        const found = await runOf(visit, id);
        return show(c, {
          title: found.run.isOk ? `Run: ${wordsOf(found.run.body.mode)}` : "Run",
          status: found.run.isOk ? 200 : statusOf(found.run),
          content: (
            <div id="run" data-live={visit.link(`runs/${encodeURIComponent(id)}/live`)} aria-live="off">
              <OneRun visit={visit} found={found} nowMs={visit.nowMs} />
            </div>
          ),
        });
      })
      .get(`${BASE}/runs/:id/live`, (c) => {
        const visit = visitOf(c);
        demandScope(visit.scopes, "admin");
        return liveHtml(
          c,
          () => runOf(visit, c.req.param("id")),
          (found) => htmlOf(<OneRun visit={visit} found={found} nowMs={Date.now()} />),
        );
      })
      .get(`${BASE}/runs/:id/stop`, (c) => {
        const visit = visitOf(c);
        const path = `runs/${encodeURIComponent(c.req.param("id"))}`;
        const content = (
          <form class="panel" method="post" action={visit.link(`${path}/stop`)}>
            <Csrf visit={visit} />
            <p>
              Whichever process does it ends it within seconds. What it has repaired stays; what it hasn't
              read yet is left to the next run.
            </p>
            <div class="row">
              <button type="submit" class="danger">
                Stop the run
              </button>
              <a class="button" href={visit.link(path)}>
                Let it go on
              </a>
            </div>
          </form>
        );
        return show(c, { title: "Stop this run?", content });
      })
      .post(`${BASE}/runs/:id/stop`, async (c) => {
        const visit = visitOf(c);
        const id = encodeURIComponent(c.req.param("id"));
        const stopped = await visit.api.send("POST", `/mirror/runs/${id}/stop`);
        if (stopped.isOk) return redirect(c, visit.link(`runs/${id}`));
        const content = <Notice tone="bad">{stopped.problem}</Notice>;
        return show(c, { title: "The run goes on", status: statusOf(stopped), content });
      });
  },
};

/** What the list is asked for by its address. */
function chosen({ query }: Visit): Record<string, string> {
  const names = ["mode", "state", "differences", "before"] as const;
  return Object.fromEntries(
    names.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? ""]] : [])),
  );
}

const runsFor = (visit: Visit) =>
  visit.api.get<Runs>(`/mirror/runs?${new URLSearchParams({ limit: "25", ...chosen(visit) })}`);

const StartForm = ({ visit }: { visit: Visit }) => (
  <Panel title="Start a run">
    <div class="row">
      {STARTED.map(([mode, name, note]) => (
        <form method="post" action={visit.link("runs")}>
          <Csrf visit={visit} />
          <input type="hidden" name="mode" value={mode} />
          <button type="submit" title={note}>
            {name}
          </button>
        </form>
      ))}
    </div>
  </Panel>
);

function Choice({ visit }: { visit: Visit }) {
  const { query } = visit;
  const select = (name: string, label: string, values: readonly string[]) => (
    <label>
      {label}
      <select name={name} data-submit="">
        <option value="">all</option>
        {values.map((value) => (
          <option value={value} selected={query.get(name) === value}>
            {wordsOf(value)}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <form class="row panel" method="get" action={visit.link("runs")}>
      {select("mode", "Kind", ["incremental", "full", "dry_run", "drift", "sweep", "backfill"])}
      {select("state", "State", ["queued", "running", "succeeded", "failed", "stopped"])}
      <label class="inline">
        <input
          type="checkbox"
          name="differences"
          value="true"
          checked={query.get("differences") === "true"}
          data-submit=""
        />{" "}
        only those that found something
      </label>
      <button type="submit">Show</button>
    </form>
  );
}

function RunList({ visit, found, nowMs }: { visit: Visit; found: Answer<Runs>; nowMs: number }) {
  if (!found.isOk) return <Notice tone="bad">{found.problem}</Notice>;
  const { data, next } = found.body;
  const query = chosen(visit);
  return (
    <div class="panel">
      {data.length === 0 ? (
        <Empty title="There is no such run">
          Start one above
          {Object.keys(query).length > 0 && (
            <>
              , or <a href={visit.link("runs")}>show all</a>
            </>
          )}
          .
        </Empty>
      ) : (
        <Table
          caption="Runs, the latest first"
          head={[
            ...["run", "state", "begun"],
            <OfNumbers>users</OfNumbers>,
            "found",
            <OfNumbers>requests</OfNumbers>,
          ]}
        >
          {data.map((run) => (
            <tr>
              <td>
                <a href={visit.link(`runs/${run.id}`)} title={run.id}>
                  {wordsOf(run.mode)}
                </a>
              </td>
              <td>
                <RunState state={run.state} />
              </td>
              <td>
                <Time at={run.started_at ?? run.queued_at} nowMs={nowMs} />
              </td>
              <td class="number">{count(run.users.seen)}</td>
              <td>
                <Found run={run} />
              </td>
              <td class="number">{count(run.requests)}</td>
            </tr>
          ))}
        </Table>
      )}
      <nav class="row pager" aria-label="Pages of this list">
        {query.before && (
          <a class="button" href={visit.link("runs", { ...query, before: undefined })}>
            First page
          </a>
        )}
        {next !== null && (
          <a class="button" rel="next" href={visit.link("runs", { ...query, before: next })}>
            Next page
          </a>
        )}
      </nav>
    </div>
  );
}

function Found({ run }: { run: Run }) {
  const found = REASONS.filter(([reason]) => run.differences[reason] > 0);
  if (found.length === 0) return <span class="quiet">nothing</span>;
  return <>{found.map(([reason, name]) => `${count(run.differences[reason])} ${name}`).join(", ")}</>;
}
