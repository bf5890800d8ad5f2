import { calendarOf } from "../model/calendar.js";
import { identifiersOf, type ShownUser } from "../model/clerk-user.js";
import { ActivityCalendar } from "../parts/activity-calendar.js";
import { Badge, Empty, Notice, Table, Time } from "../parts/basics.js";
import { JsonView } from "../parts/json-view.js";
import { organizationPath } from "../parts/links.js";
import type { Answer } from "../visit/api.js";
import type { Visit } from "../visit/visit.js";

// What a user's page is made of.

/** A page of `GET /v1/users/{id}/organization_memberships`. */
export interface MembershipList {
  data: { id: string; role: string; created_at: number; organization: { id: string; name: string } }[];
  total_count: number;
}

/** Counts of one user by `active_day`. */
export interface Days {
  data: { keys: [day: string]; count: number }[];
}

/** Half a year. */
const WEEKS = 27;
export function Identifiers({ user }: { user: ShownUser }) {
  const identifiers = identifiersOf(user);
  if (identifiers.length === 0)
    return <Empty title="The user has none">Clerk allows that for anonymous users.</Empty>;
  return (
    <Table caption="Each identifier" head={["kind", "value"]}>
      {identifiers.map(({ kind, value, isPrimary, verification }) => (
        <tr>
          <td class="quiet">{kind}</td>
          <td>
            {value} {isPrimary && <Badge>primary</Badge>}{" "}
            {verification !== null && (
              <Badge tone={verification === "verified" ? "good" : "warn"}>{verification}</Badge>
            )}
          </td>
        </tr>
      ))}
    </Table>
  );
}

export function Memberships({ visit, memberships }: { visit: Visit; memberships: Answer<MembershipList> }) {
  if (!memberships.isOk) return <Notice tone="warn">{memberships.problem}</Notice>;
  const { data, total_count: total } = memberships.body;
  if (data.length === 0) {
    return (
      <Empty title="A member of no organization">
        See <a href={visit.link("organizations")}>all organizations</a>.
      </Empty>
    );
  }
  return (
    <>
      <Table caption="Each membership" head={["organization", "role", "since"]}>
        {data.map(({ organization, role, created_at }) => (
          <tr>
            <td>
              <a href={visit.link(organizationPath(organization.id))}>
                {organization.name || organization.id}
              </a>
            </td>
            <td>{role}</td>
            <td>
              <Time at={created_at} nowMs={visit.nowMs} />
            </td>
          </tr>
        ))}
      </Table>
      {total > data.length && (
        <p class="quiet">
          The newest {data.length} of {total}.
        </p>
      )}
    </>
  );
}

export function ActiveDays({ days, nowMs }: { days: Answer<Days>; nowMs: number }) {
  if (!days.isOk) return <Notice tone="warn">{days.problem}</Notice>;
  const active = days.body.data.flatMap(({ keys: [day], count }) => (count > 0 ? [day] : []));
  if (active.length === 0) {
    return (
      <Empty title="No active day is known">
        Days are kept from the mirror's first on, where <code>ACTIVITY_HISTORY</code> isn't off.
      </Empty>
    );
  }
  const calendar = calendarOf(new Set(active), { todayMs: nowMs, weeks: WEEKS, since: active[0] ?? null });
  return <ActivityCalendar calendar={calendar} />;
}

export function Metadata({
  visit,
  user,
  kind,
}: {
  visit: Visit;
  user: ShownUser;
  kind: "public" | "unsafe" | "private";
}) {
  if (kind === "private" && !visit.scopes.has("private_metadata:read")) {
    return (
      <Empty title="This key may not see them">
        A key with the scope <code>private_metadata:read</code> does.
      </Empty>
    );
  }
  const value = user[`${kind}_metadata`];
  if (typeof value !== "object" || value === null || Object.keys(value).length === 0) {
    return <p class="quiet">Empty.</p>;
  }
  return <JsonView name={`${kind} metadata`} value={value} />;
}
