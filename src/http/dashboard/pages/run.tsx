import type { Run } from "../../../sync/ledger/runs.js";
import { Badge, count, Empty, Figure, Figures, Notice, Panel, Table, Time } from "../parts/basics.js";
import { userPath } from "../parts/links.js";
import { RunState } from "../parts/run-state.js";
import type { Visit } from "../visit/visit.js";

interface ShownWindow {
  position: number;
  created_after: number | null;
  created_before: number | null;
  done: boolean;
  begun: boolean;
}
type Windows = { data: ShownWindow[]; total: number };

export const REASONS = [
  ["missed_create", "missing here"],
  ["missed_update", "out of date here"],
  ["missed_delete", "gone at Clerk"],
] as const;

/** The run, and its windows where it has some. */
export async function runOf(visit: Visit, id: string) {
  const path = `/mirror/runs/${encodeURIComponent(id)}`;
  const run = await visit.api.get<Run>(path);
  const hasWindows = run.isOk && run.body.windows.total > 0;
  return { run, windows: hasWindows ? await visit.api.get<Windows>(`${path}/windows`) : null };
}

const isOpen = ({ state }: Run) => state === "queued" || state === "running";
const canStop = (run: Run) => isOpen(run) && run.mode !== "backfill" && run.mode !== "sweep";

interface RunProps {
  visit: Visit;
  found: Awaited<ReturnType<typeof runOf>>;
  nowMs: number;
}

/** How a run goes, and what it found. */
export function OneRun({ visit, found, nowMs }: RunProps) {
  if (!found.run.isOk) {
    return (
      <>
        <Notice tone="warn">{found.run.problem}</Notice>
        <p>
          All <a href={visit.link("runs")}>runs</a>
        </p>
      </>
    );
  }
  const run = found.run.body;
  const { users, windows } = run;
  return (
    <>
      {run.error && <Notice tone={run.state === "failed" ? "bad" : "warn"}>{run.error}</Notice>}
      <Figures>
        <Figure name="State">
          <RunState state={run.state} />
        </Figure>
        <Figure name="Begun">
          <Time at={run.started_at ?? run.queued_at} nowMs={nowMs} />
        </Figure>
        <Figure name={isOpen(run) ? "Will end" : "Ended"}>
          {isOpen(run) && run.eta === null ? (
            <span class="quiet">not known yet</span>
          ) : (
            <Time at={isOpen(run) ? run.eta : run.finished_at} nowMs={nowMs} />
          )}
        </Figure>
        <Figure name="Users read" note={users.expected === null ? undefined : `of ${count(users.expected)}`}>
          {count(users.seen)}
        </Figure>
        <Figure name="Windows" note={windows.total > 0 ? `of ${count(windows.total)}` : undefined}>
          {count(windows.done)}
        </Figure>
        <Figure name="Requests to Clerk">{count(run.requests)}</Figure>
      </Figures>
      {run.state === "running" && users.expected !== null && users.expected > 0 && (
        <p>
          <label>
            Progress{" "}
            <progress value={Math.min(users.seen, users.expected)} max={users.expected}>
              {users.seen} of {users.expected}
            </progress>
          </label>
        </p>
      )}
      <div class="row">
        {canStop(run) && (
          <a class="button danger" href={visit.link(`runs/${run.id}/stop`)}>
            Stop …
          </a>
        )}
        <a class="button" href={visit.link("runs")}>
          All runs
        </a>
        <code class="quiet">{run.id}</code>
      </div>
      <Differences visit={visit} run={run} />
      {found.windows?.isOk && <WindowList windows={found.windows.body} run={run} nowMs={nowMs} />}
    </>
  );
}

function Differences({ visit, run }: { visit: Visit; run: Run }) {
  const isDry = run.mode === "dry_run" || run.mode === "drift";
  const found = REASONS.filter(([reason]) => run.differences[reason] > 0);
  return (
    <Panel title={isDry ? "Differences found" : "Differences repaired"}>
      {found.length === 0 ? (
        <Empty title={isOpen(run) ? "None so far" : "The mirror and Clerk agreed"}>
          Whoever differs from Clerk is named here, as it is found.
        </Empty>
      ) : (
        found.map(([reason, name]) => {
          const ids = run.difference_ids[reason] ?? [];
          return (
            <details id={`found-${reason}`} open={ids.length <= 20}>
              <summary>
                {count(run.differences[reason])} {name}
              </summary>
              <ul>
                {ids.map((id) => (
                  <li>
                    <a class="mono" href={visit.link(userPath(id))}>
                      {id}
                    </a>
                  </li>
                ))}
              </ul>
              {run.differences[reason] > ids.length && (
                <p class="quiet">and {count(run.differences[reason] - ids.length)} more</p>
              )}
            </details>
          );
        })
      )}
    </Panel>
  );
}

/** So many windows are shown; of large instances there are hundreds. */
const MOST_WINDOWS = 200;

function WindowList({ windows, run, nowMs }: { windows: Windows; run: Run; nowMs: number }) {
  return (
    <Panel title="Windows">
      <Table
        caption="Windows: the parts of the users, by creation"
        head={["created after", "created before", "state"]}
      >
        {windows.data.slice(0, MOST_WINDOWS).map(({ created_after, created_before, done, begun }) => (
          <tr>
            <td>{created_after === null ? "the beginning" : <Time at={created_after} nowMs={nowMs} />}</td>
            <td>{created_before === null ? "now" : <Time at={created_before} nowMs={nowMs} />}</td>
            <td>
              <Badge tone={done ? "good" : "quiet"}>{done ? "done" : begun ? "begun" : "waits"}</Badge>
            </td>
          </tr>
        ))}
      </Table>
      {windows.total > MOST_WINDOWS && <p class="quiet">and {count(windows.total - MOST_WINDOWS)} more</p>}
      {run.windows.total > windows.total && (
        <p class="quiet">Organizations and memberships are read as a window each, too.</p>
      )}
    </Panel>
  );
}
