import type { Context } from "hono";
import type { UserHistory } from "../../../operations/user-history.js";
import type { HttpEnv } from "../../respond.js";
import { BASE } from "../assets/base.js";
import { nameOf, type ShownUser } from "../model/clerk-user.js";
import { actionNamed, USER_ACTIONS } from "../model/user-actions.js";
import { Empty, Figure, Figures, Notice, Panel, Time } from "../parts/basics.js";
import { prettyJson } from "../parts/json-view.js";
import { Csrf } from "../parts/layout.js";
import { userPath } from "../parts/links.js";
import { type Answer, statusOf } from "../visit/api.js";
import { redirect } from "../visit/redirect.js";
import { type Visit, visitOf } from "../visit/visit.js";
import type { PageRoutes, Show } from "./page.js";
import { AtClerk } from "./user-comparison.js";
import { History } from "./user-history.js";
import {
  ActiveDays,
  type Days,
  Identifiers,
  type MembershipList,
  Memberships,
  Metadata,
} from "./user-panels.js";

const TIMES = [
  ["created_at", "Created"],
  ["updated_at", "Updated"],
  ["last_active_at", "Last active"],
  ["last_sign_in_at", "Last sign-in"],
] as const;
const MOST_MEMBERSHIPS = 100;
const FROM_CLERK = { "X-Mirror-Read": "upstream" } as const;
const DONE: Readonly<Record<string, string>> = {
  metadata: "The metadata are changed. Clerk has confirmed it.",
  refetch: "Clerk was asked, and the user here is what it answered.",
  gone: "Clerk doesn't know this user any more. The mirror asks once more, and deletes the user here too.",
};

/** All that is known of one user. */
export const mountUser: PageRoutes = (routes, show) => {
  routes
    .get(`${BASE}/users/:id`, (c) => showUser(c, show))
    // Clerk's answer is stored, so that this changes something.
    .post(`${BASE}/users/:id/compare`, (c) => showUser(c, show, { isCompared: true }))
    .get(`${BASE}/users/:id/compare`, (c) => redirect(c, visitOf(c).link(userPath(c.req.param("id")))));
};

async function showUser(c: Context<HttpEnv>, show: Show, { isCompared = false } = {}): Promise<Response> {
  const visit = visitOf(c);
  const { api, scopes } = visit;
  const id = c.req.param("id") ?? "";
  const path = `/v1/users/${encodeURIComponent(id)}`;
  const [user, memberships, days, history] = await Promise.all([
    api.get<ShownUser>(path),
    api.get<MembershipList>(`${path}/organization_memberships?limit=${MOST_MEMBERSHIPS}`),
    api.send<Days>("POST", "/mirror/users/aggregate", {
      filter: { id },
      group_by: [{ field: "active_day", bucket: "day" }],
    }),
    scopes.has("changes:read")
      ? api.get<UserHistory>(`/mirror/users/${encodeURIComponent(id)}/history`)
      : null,
  ]);
  if (!user.isOk) {
    const content = <Unknown visit={visit} id={id} user={user} history={history} />;
    return show(c, { title: `User ${id}`, status: statusOf(user), content });
  }
  // After what is here was read.
  const atClerk = isCompared ? await api.get<ShownUser>(path, FROM_CLERK) : null;
  const content = <User visit={visit} user={user.body} {...{ memberships, days, history, atClerk }} />;
  return show(c, { title: nameOf(user.body), content });
}

interface UserProps {
  visit: Visit;
  user: ShownUser;
  memberships: Answer<MembershipList>;
  days: Answer<Days>;
  /** Null: the key may not see it. */
  history: Answer<UserHistory> | null;
  /** Null: Clerk wasn't asked. */
  atClerk: Answer<ShownUser> | null;
}

function User({ visit, user, memberships, days, history, atClerk }: UserProps) {
  const { nowMs } = visit;
  const time = (name: string) => (typeof user[name] === "number" ? (user[name] as number) : null);
  const done = visit.query.get("done") ?? "";
  return (
    <>
      <DoneNotice done={done} />
      <Figures>
        <Figure name="State" tone={user.banned === true ? "bad" : user.locked === true ? "warn" : "good"}>
          {user.banned === true ? "banned" : user.locked === true ? "locked" : "active"}
        </Figure>
        {TIMES.map(([name, label]) => (
          <Figure name={label}>
            <Time at={time(name)} nowMs={nowMs} />
          </Figure>
        ))}
      </Figures>
      <p class="quiet">
        <code>{user.id}</code>
      </p>
      <Actions visit={visit} user={user} />
      {atClerk && <AtClerk user={user} atClerk={atClerk} />}
      <div class="columns">
        <Panel title="Identifiers">
          <Identifiers user={user} />
        </Panel>
        <Panel title="Organizations">
          <Memberships visit={visit} memberships={memberships} />
        </Panel>
        <Panel title="Active days">
          <ActiveDays days={days} nowMs={nowMs} />
        </Panel>
        {(["public", "unsafe", "private"] as const).map((kind) => (
          <Panel title={`${kind[0]?.toUpperCase()}${kind.slice(1)} metadata`} id={`${kind}-metadata`}>
            <Metadata visit={visit} user={user} kind={kind} />
          </Panel>
        ))}
      </div>
      <Panel title="What told us what and when" id="history">
        {history ? (
          <History history={history} nowMs={nowMs} />
        ) : (
          <Empty title="This key may not see it">
            A key with the scope <code>changes:read</code> does.
          </Empty>
        )}
      </Panel>
      <details class="panel">
        <summary>The whole user, as the API answers</summary>
        <pre tabindex={0}>{prettyJson(user)}</pre>
      </details>
    </>
  );
}

function DoneNotice({ done }: { done: string }) {
  const action = actionNamed(done);
  const said = action
    ? `${action.done} Clerk has confirmed it.`
    : Object.hasOwn(DONE, done)
      ? DONE[done]
      : undefined;
  return said === undefined ? null : <Notice tone="good">{said}</Notice>;
}

/** What the key may do. The routes refuse whatever it may not. */
function Actions({ visit, user }: { visit: Visit; user: ShownUser }) {
  const { link, scopes } = visit;
  const actions = scopes.has("users:write") ? USER_ACTIONS.filter(({ applies }) => applies(user)) : [];
  return (
    <div class="row actions">
      {actions.map(({ name, label, isHarmful }) => (
        <a class={isHarmful ? "button danger" : "button"} href={link(userPath(user.id, `/${name}`))}>
          {label} …
        </a>
      ))}
      {scopes.has("users:write") && (
        <a class="button" href={link(userPath(user.id, "/metadata"))}>
          Edit metadata …
        </a>
      )}
      <form method="post" action={link(userPath(user.id, "/compare"))}>
        <Csrf visit={visit} />
        <button type="submit">Compare with Clerk now</button>
      </form>
      <form method="post" action={link(userPath(user.id, "/refetch"))}>
        <Csrf visit={visit} />
        <button type="submit" title="Ask Clerk about this user and store what it answers">
          Refetch
        </button>
      </form>
    </div>
  );
}

interface UnknownProps {
  visit: Visit;
  id: string;
  user: Answer<unknown>;
  history: Answer<UserHistory> | null;
}

function Unknown({ visit, id, user, history }: UnknownProps) {
  const deletedAt = history?.isOk ? (history.body.stored?.deleted_at ?? null) : null;
  return (
    <>
      <DoneNotice done={visit.query.get("done") ?? ""} />
      <Notice tone={user.status === 404 ? "warn" : "bad"}>
        {deletedAt === null ? (
          user.problem
        ) : (
          <>
            The user was deleted, and the mirror learnt of it <Time at={deletedAt} nowMs={visit.nowMs} />.
            Nothing personal is kept.
          </>
        )}
      </Notice>
      {history?.isOk && (
        <Panel title="What told us what and when" id="history">
          <History history={history} nowMs={visit.nowMs} />
        </Panel>
      )}
      <p>
        <a href={visit.link("users", { q: id })}>Search for it</a> or see{" "}
        <a href={visit.link("users")}>all users</a>.
      </p>
    </>
  );
}
