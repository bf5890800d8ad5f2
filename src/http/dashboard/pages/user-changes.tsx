import type { Context } from "hono";
import type { HttpEnv } from "../../respond.js";
import { BASE } from "../assets/base.js";
import { nameOf, type ShownUser } from "../model/clerk-user.js";
import { differencesOf } from "../model/differences.js";
import { mergePatchOf } from "../model/merge-patch.js";
import { actionNamed, type UserAction } from "../model/user-actions.js";
import { Notice, Table } from "../parts/basics.js";
import { isDeeper, MOST_LEVELS, prettyJson } from "../parts/json-view.js";
import { Csrf } from "../parts/layout.js";
import { userPath } from "../parts/links.js";
import { NothingHere } from "../parts/nothing-here.js";
import { statusOf } from "../visit/api.js";
import { redirect } from "../visit/redirect.js";
import { type Visit, visitOf } from "../visit/visit.js";
import type { PageRoutes, Show } from "./page.js";

// What is done to a user is done by Clerk: the mirror forwards it, and stores the answer before it is shown.

const KINDS = ["public_metadata", "unsafe_metadata", "private_metadata"] as const;
type Kind = (typeof KINDS)[number];
type Json = Record<string, unknown>;

/** Pages that ask whether it is meant, and then do it. */
export const mountUserChanges: PageRoutes = (routes, show) => {
  routes
    .post(`${BASE}/users/:id/refetch`, async (c) => {
      const visit = visitOf(c);
      const id = c.req.param("id");
      const answer = await visit.api.get(clerkPath(id), { "X-Mirror-Read": "upstream" });
      if (answer.isOk || answer.status === 404) {
        return redirect(c, visit.link(userPath(id), { done: answer.isOk ? "refetch" : "gone" }));
      }
      const content = <Notice tone="bad">{answer.problem}</Notice>;
      return show(c, { title: "Refetch", status: statusOf(answer), content });
    })
    .get(`${BASE}/users/:id/metadata`, (c) =>
      withUser(c, show, (visit, user) => {
        const texts = textsOf(user, visit);
        const content = <MetadataForm visit={visit} user={user} texts={texts} before={texts} problems={{}} />;
        return show(c, { title: `Metadata of ${nameOf(user)}`, content });
      }),
    )
    .post(`${BASE}/users/:id/metadata`, (c) =>
      withUser(c, show, (visit, user) => changeMetadata(c, show, visit, user)),
    )
    .get(`${BASE}/users/:id/:action`, (c) =>
      withAction(c, show, (action) =>
        withUser(c, show, (visit, user) =>
          show(c, {
            title: `${action.label} ${nameOf(user)}?`,
            content: <Confirm visit={visit} user={user} action={action} problem={null} />,
          }),
        ),
      ),
    )
    .post(`${BASE}/users/:id/:action`, (c) =>
      withAction(c, show, async (action) => {
        const visit = visitOf(c);
        const id = c.req.param("id");
        const done = await visit.api.send(action.method, `${clerkPath(id)}${action.path}`);
        if (done.isOk) return redirect(c, visit.link(userPath(id), { done: action.name }));
        const user: ShownUser = { id };
        return show(c, {
          title: `${action.label}: refused`,
          status: statusOf(done),
          content: <Confirm visit={visit} user={user} action={action} problem={done.problem} />,
        });
      }),
    );
};

const clerkPath = (id: string) => `/v1/users/${encodeURIComponent(id)}`;

type Answered = Response | Promise<Response>;

function withAction(c: Context<HttpEnv>, show: Show, then: (action: UserAction) => Answered): Answered {
  const action = actionNamed(c.req.param("action") ?? "");
  if (action) return then(action);
  const content = <NothingHere visit={visitOf(c)} />;
  return show(c, { title: "Not found", status: 404, content });
}

/** With the user as the mirror has it, if the key may change users at all. */
async function withUser(
  c: Context<HttpEnv>,
  show: Show,
  then: (visit: Visit, user: ShownUser) => Answered,
): Promise<Response> {
  const visit = visitOf(c);
  if (!visit.scopes.has("users:write")) {
    const content = <Notice tone="bad">This takes a key with the scope users:write.</Notice>;
    return show(c, { title: "This can't be done", status: 403, content });
  }
  const user = await visit.api.get<ShownUser>(clerkPath(c.req.param("id") ?? ""));
  // A key that may write and not read sees the form all the same.
  if (user.isOk) return then(visit, user.body);
  if (user.status === 403) return then(visit, { id: c.req.param("id") ?? "" });
  const content = <Notice tone="bad">{user.problem}</Notice>;
  return show(c, { title: "This can't be done", status: statusOf(user), content });
}

interface ConfirmProps {
  visit: Visit;
  user: ShownUser;
  action: UserAction;
  problem: string | null;
}

function Confirm({ visit, user, action, problem }: ConfirmProps) {
  return (
    <form method="post" class="panel" action={visit.link(userPath(user.id, `/${action.name}`))}>
      {problem !== null && <Notice tone="bad">{problem}</Notice>}
      <p>{action.effect}</p>
      <p class="quiet">
        <code>{user.id}</code>, through Clerk's API.
      </p>
      <Csrf visit={visit} />
      <div class="row">
        <button type="submit" class={action.isHarmful ? "danger" : "primary"}>
          {action.label}
        </button>
        <a class="button" href={visit.link(userPath(user.id))}>
          Leave it
        </a>
      </div>
    </form>
  );
}

type Texts = Partial<Record<Kind, string>>;

const kindsFor = ({ scopes }: Visit) =>
  KINDS.filter((kind) => kind !== "private_metadata" || scopes.has("private_metadata:read"));

const textsOf = (user: ShownUser, visit: Visit): Texts =>
  Object.fromEntries(kindsFor(visit).map((kind) => [kind, prettyJson(user[kind] ?? {})]));

async function changeMetadata(
  c: Context<HttpEnv>,
  show: Show,
  visit: Visit,
  user: ShownUser,
): Promise<Response> {
  const form = await c.req.parseBody();
  const kinds = kindsFor(visit).filter((kind) => typeof form[kind] === "string");
  const texts: Texts = Object.fromEntries(kinds.map((kind) => [kind, String(form[kind])]));
  const before: Texts = Object.fromEntries(
    kinds.map((kind) => [kind, String(form[`before_${kind}`] ?? "{}")]),
  );
  const title = `Metadata of ${nameOf(user)}`;
  const again = (problems: Texts, problem: string | null, status: 422 | ReturnType<typeof statusOf>) =>
    show(c, {
      ...{ title, status },
      content: <MetadataForm {...{ visit, user, texts, before, problems, problem }} />,
    });

  const problems: Texts = {};
  const patch: Partial<Record<Kind, Json>> = {};
  for (const kind of kinds) {
    const [after, earlier] = [objectOf(texts[kind] ?? ""), objectOf(before[kind] ?? "")];
    if (after === null) problems[kind] = `This is no JSON object of at most ${MOST_LEVELS} levels.`;
    else if (earlier !== null) {
      const changed = mergePatchOf(earlier, after);
      if (Object.keys(changed).length > 0) patch[kind] = changed;
    }
  }
  if (Object.keys(problems).length > 0) return again(problems, null, 422);
  if (Object.keys(patch).length === 0) return again({}, "Nothing is changed.", 422);
  if (form.confirmed !== "yes") {
    const content = <ConfirmMetadata {...{ visit, user, texts, before, kinds }} />;
    return show(c, {
      title: `Change the ${title.toLowerCase().replace(/ of .*/s, "")} of ${nameOf(user)}?`,
      content,
    });
  }
  const done = await visit.api.send("PATCH", `${clerkPath(user.id)}/metadata`, patch);
  if (done.isOk) return redirect(c, visit.link(userPath(user.id), { done: "metadata" }));
  return again({}, done.problem, statusOf(done));
}

function objectOf(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject && !isDeeper(value, MOST_LEVELS) ? (value as Json) : null;
  } catch {
    return null;
  }
}

interface MetadataFormProps {
  visit: Visit;
  user: ShownUser;
  texts: Texts;
  /** As the metadata were when the form was first shown: what is changed is told from there. */
  before: Texts;
  problems: Texts;
  problem?: string | null;
}

function MetadataForm({ visit, user, texts, before, problems, problem = null }: MetadataFormProps) {
  return (
    <form method="post" class="panel" action={visit.link(userPath(user.id, "/metadata"))}>
      {problem !== null && <Notice tone="bad">{problem}</Notice>}
      <Csrf visit={visit} />
      {kindsFor(visit).map((kind) => (
        <>
          <label class="wide">
            {kind.replaceAll("_", " ")}
            <textarea
              name={kind}
              rows={8}
              spellcheck={false}
              {...(problems[kind] === undefined
                ? {}
                : { "aria-invalid": true, "aria-describedby": `${kind}-problem` })}
            >
              {texts[kind] ?? "{}"}
            </textarea>
          </label>
          {problems[kind] !== undefined && (
            <p class="row-problem" id={`${kind}-problem`} role="alert">
              {problems[kind]}
            </p>
          )}
          <input type="hidden" name={`before_${kind}`} value={before[kind] ?? "{}"} />
        </>
      ))}
      <p class="quiet">
        Only what you change is sent, and Clerk merges it with what is there by then. A key that you take out,
        or whose value you make null, is removed.
      </p>
      <div class="row">
        <button type="submit" class="primary">
          Look at the changes
        </button>
        <a class="button" href={visit.link(userPath(user.id))}>
          Leave it
        </a>
      </div>
    </form>
  );
}

interface ConfirmMetadataProps {
  visit: Visit;
  user: ShownUser;
  texts: Texts;
  before: Texts;
  kinds: readonly Kind[];
}

function ConfirmMetadata({ visit, user, texts, before, kinds }: ConfirmMetadataProps) {
  const objects = (from: Texts) =>
    Object.fromEntries(kinds.map((kind) => [kind, objectOf(from[kind] ?? "") ?? {}]));
  return (
    <form method="post" class="panel" action={visit.link(userPath(user.id, "/metadata"))}>
      <Table caption="What changes" head={["where", "before", "after"]}>
        {differencesOf(objects(before), objects(texts)).map(({ path, here, there }) => (
          <tr>
            <th scope="row">
              <code>{path}</code>
            </th>
            <td>
              <del>
                <code>{here === undefined ? "" : JSON.stringify(here)}</code>
              </del>
            </td>
            <td>
              <ins>
                <code>{there === undefined ? "" : JSON.stringify(there)}</code>
              </ins>
            </td>
          </tr>
        ))}
      </Table>
      <Csrf visit={visit} />
      <input type="hidden" name="confirmed" value="yes" />
      {kinds.map((kind) => (
        <>
          <input type="hidden" name={kind} value={texts[kind] ?? "{}"} />
          <input type="hidden" name={`before_${kind}`} value={before[kind] ?? "{}"} />
        </>
      ))}
      <div class="row">
        <button type="submit" class="primary">
          Change the metadata
        </button>
        <a class="button" href={visit.link(userPath(user.id, "/metadata"))}>
          Edit again
        </a>
      </div>
    </form>
  );
}
