import type { Child } from "hono/jsx";
import type { ShownUser } from "../model/clerk-user.js";
import { differencesOf } from "../model/differences.js";
import { Notice, Panel, Table } from "../parts/basics.js";
import type { Answer } from "../visit/api.js";

/** The user as it was here, beside what Clerk has just answered. */
export function AtClerk({ user, atClerk }: { user: ShownUser; atClerk: Answer<ShownUser> }) {
  return (
    <Panel title="The same at Clerk now" id="at-clerk">
      <Differences user={user} atClerk={atClerk} />
    </Panel>
  );
}

function Differences({ user, atClerk }: { user: ShownUser; atClerk: Answer<ShownUser> }) {
  if (atClerk.status === 404) {
    return (
      <Notice tone="bad">
        Clerk doesn't know this user any more. The mirror asks once more, and deletes the user here too.
      </Notice>
    );
  }
  if (!atClerk.isOk) return <Notice tone="warn">{atClerk.problem} Clerk may be reached in a moment.</Notice>;
  const differences = differencesOf(user, atClerk.body);
  if (differences.length === 0) {
    return <Notice tone="good">Nothing differs: what is here is what Clerk answers at this moment.</Notice>;
  }
  return (
    <>
      <Notice tone="warn">
        {differences.length === 1 ? "One value differs" : `${differences.length} values differ`}. Clerk's
        answer was stored with this comparison, so the next one shows no difference.
      </Notice>
      <Table caption="Each difference" head={["Where", "Here", "At Clerk"]}>
        {differences.map(({ path, here, there }) => (
          <tr>
            <th scope="row">
              <code>{path}</code>
            </th>
            <td>
              <del>{shown(here)}</del>
            </td>
            <td>
              <ins>{shown(there)}</ins>
            </td>
          </tr>
        ))}
      </Table>
    </>
  );
}

const shown = (value: unknown): Child =>
  value === undefined ? <span class="quiet">nothing</span> : <code>{JSON.stringify(value)}</code>;
