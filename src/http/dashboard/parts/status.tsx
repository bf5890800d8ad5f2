import { hasGap, type Problem, problemsOf } from "../model/problems.js";
import { type ShownRun, type ShownStatus, sumOf } from "../model/status.js";
import type { Visit } from "../visit/visit.js";
import { count, Empty, Figure, Figures, OfNumbers, Panel, Table, Time } from "./basics.js";
import { RunState, wordsOf } from "./run-state.js";

const TONES = { live: "good", backfilling: "warn", degraded: "bad" } as const;

/** Whether the mirror is in sync: what is wrong first, then the figures. */
export function StatusPart({ visit, status, nowMs }: { visit: Visit; status: ShownStatus; nowMs: number }) {
  const { upstream, budget, drift, lag, webhooks } = status;
  const healed = sumOf(drift.repaired);
  const left = sumOf(drift.found) - healed;
  const used = budget.used.urgent + budget.used.background;
  const total = Object.values(webhooks.outcomes).reduce((sum, n) => sum + n, 0);
  return (
    <>
      <Problems visit={visit} problems={problemsOf(status, nowMs)} />
      <Figures>
        <Figure name="State" tone={TONES[status.state]}>
          {status.state}
        </Figure>
        <Figure name="Proved complete">
          <Time at={status.as_of} nowMs={nowMs} />
        </Figure>
        <Figure name="Users here">{count(status.users)}</Figure>
        <Figure
          name="At Clerk"
          {...(hasGap(status) && { tone: "warn" as const })}
          note={
            upstream?.counted_at != null && (
              <>
                counted <Time at={upstream.counted_at} nowMs={nowMs} />
              </>
            )
          }
        >
          {upstream?.users == null ? "–" : count(upstream.users)}
        </Figure>
        <Figure name="Webhooks a second" note={`${count(total)} in 7 days`}>
          {webhooks.per_second ?? "–"}
        </Figure>
        <Figure
          name="Lag of webhooks"
          note={lag ? `p95 ${count(lag.p95)} ms, p99 ${count(lag.p99)} ms` : "none in 10 minutes"}
        >
          {lag ? `${count(lag.p50)} ms` : "–"}
        </Figure>
        <Figure
          name="Drift healed"
          note={`${left > 0 ? `${count(left)} wait; ` : ""}last 7 days`}
          {...(left > 0 && { tone: "warn" as const })}
        >
          {count(healed)}
        </Figure>
        <Figure
          name="Requests to Clerk"
          note={`in 10 s${budget.limit === null ? "" : `, of ${count(budget.limit)}`}`}
        >
          {count(used)}
        </Figure>
        <Figure name="To ask Clerk again">{count(status.refetches)}</Figure>
        <Figure name="Dead letters" {...(status.dead_letters > 0 && { tone: "bad" as const })}>
          {count(status.dead_letters)}
        </Figure>
      </Figures>
      <Panel title="Last runs">
        {status.last_runs.length === 0 ? (
          <Empty title="No run yet">The first one copies all users from Clerk. It begins by itself.</Empty>
        ) : (
          <RunTable visit={visit} runs={status.last_runs} nowMs={nowMs} />
        )}
      </Panel>
    </>
  );
}

function Problems({ visit, problems }: { visit: Visit; problems: readonly Problem[] }) {
  if (problems.length === 0) return <div class="notice good">Everything is in order.</div>;
  return (
    <ul class="problems" aria-label="Problems">
      {problems.map(({ tone, what, next, page }) => (
        <li class={`notice ${tone}`}>
          <strong>{what}</strong> {next}{" "}
          {page !== null && <a href={visit.link(page)}>Open {page.replace("-", " ")}</a>}
        </li>
      ))}
    </ul>
  );
}

function RunTable({ visit, runs, nowMs }: { visit: Visit; runs: readonly ShownRun[]; nowMs: number }) {
  return (
    <Table
      caption="Last runs, the newest first"
      head={[
        ...["run", "state", "began"],
        ...["users", "differences"].map((name) => <OfNumbers>{name}</OfNumbers>),
        "remarks",
      ]}
    >
      {runs.map(({ id, mode, state, started_at, users, differences, eta, error }) => (
        <tr>
          <td>
            <a href={visit.link(`runs/${id}`)}>{wordsOf(mode)}</a>
          </td>
          <td>
            <RunState state={state} />
          </td>
          <td>
            <Time at={started_at} nowMs={nowMs} />
          </td>
          <td class="number">
            {count(users.seen)}
            {users.expected !== null && ` of ${count(users.expected)}`}
          </td>
          <td class="number">{count(sumOf(differences))}</td>
          <td>
            {eta !== null && (
              <>
                ends <Time at={eta} nowMs={nowMs} />{" "}
              </>
            )}
            {error}
          </td>
        </tr>
      ))}
    </Table>
  );
}
