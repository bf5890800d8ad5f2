import type { Child } from "hono/jsx";
import type { HistoryEvent, UserHistory } from "../../../operations/user-history.js";
import { Badge, Empty, Notice, Table, Time, type Tone } from "../parts/basics.js";
import { wordsOf } from "../parts/run-state.js";
import type { Answer } from "../visit/api.js";

const TONES: Readonly<Record<string, Tone>> = { applied: "good", dead_lettered: "bad", stale: "warn" };

/** What told the mirror about a user, the newest first. */
export function History({ history, nowMs }: { history: Answer<UserHistory>; nowMs: number }) {
  if (!history.isOk) return <Notice tone="warn">{history.problem}</Notice>;
  const { stored, waiting, events, since } = history.body;
  return (
    <>
      {stored && (
        <p>
          What is stored came from{" "}
          {
            { api: "an answer of Clerk's API", webhook: "a webhook", embedded: "a copy in another object" }[
              stored.source
            ]
          }
          , seen <Time at={stored.observed_at} nowMs={nowMs} />, about the state of{" "}
          <Time at={stored.updated_at} nowMs={nowMs} />.
        </p>
      )}
      {waiting && (
        <Notice tone="warn">
          Clerk will be asked about this user ({waiting.reason}), next{" "}
          <Time at={waiting.next_at} nowMs={nowMs} />.
        </Notice>
      )}
      {events.length === 0 ? (
        <Empty title="Nothing was heard of this user lately">
          Webhooks are remembered for a week, changes for as long as <code>CHANGES_RETENTION</code> says.
        </Empty>
      ) : (
        <Table caption="Each event" head={["when", "by", "what", "details"]}>
          {events.map((event) => (
            <Event event={event} nowMs={nowMs} />
          ))}
        </Table>
      )}
      <p class="quiet">
        Webhooks since <Since at={since.webhooks} nowMs={nowMs} />, changes since{" "}
        <Since at={since.changes} nowMs={nowMs} />.
      </p>
    </>
  );
}

const Since = ({ at, nowMs }: { at: number | null; nowMs: number }) =>
  at === null ? <>(too many to look through now)</> : <Time at={at} nowMs={nowMs} />;

function Event({ event, nowMs }: { event: HistoryEvent; nowMs: number }) {
  const row = (by: string, what: Child, more: Child) => (
    <tr>
      <td>
        <Time at={event.at} nowMs={nowMs} />
      </td>
      <td>{by}</td>
      <td>{what}</td>
      <td>{more}</td>
    </tr>
  );
  switch (event.kind) {
    case "webhook":
      return row(
        "webhook",
        event.type ?? "?",
        <>
          <Badge tone={TONES[event.outcome] ?? "quiet"}>{event.outcome}</Badge>{" "}
          <code>{event.message_id}</code>
        </>,
      );
    case "change":
      return row("stored", event.type, event.type.startsWith("membership") ? <code>{event.id}</code> : "");
    case "run":
      return row(`run (${wordsOf(event.mode)})`, wordsOf(event.reason), <code>{event.run_id}</code>);
    case "dead_letter":
      return row("dead letter", event.type ?? "a page of Clerk's list", <code>{event.id}</code>);
  }
}
