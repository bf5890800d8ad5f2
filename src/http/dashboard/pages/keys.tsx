import type { Context } from "hono";
import { SCOPES, type Scope } from "../../../auth/scopes.js";
import type { ShownKey } from "../../../operations/keys.js";
import type { HttpEnv } from "../../respond.js";
import { BASE } from "../assets/base.js";
import { Badge, count, Empty, Notice, Panel, Table, Time } from "../parts/basics.js";
import { Csrf } from "../parts/layout.js";
import { SearchBox } from "../parts/search-box.js";
import { redirect } from "../visit/redirect.js";
import { type Visit, visitOf } from "../visit/visit.js";
import type { Page, Show } from "./page.js";

const MEANING: Readonly<Record<Scope, string>> = {
  "users:read": "lists, counts, gets, queries of users; the charts here",
  "users:write": "ban, lock, change and delete users",
  "private_metadata:read": "private metadata, which others see as null",
  "changes:read": "the change feed",
  proxy: "everything else of Clerk's API: as powerful as the secret key itself",
  admin: "sync, runs, dead letters, keys",
};

/** Keys: who has which, making and revoking them. */
export const keysPage: Page = {
  ...{ path: "keys", title: "Keys", letter: "k", scope: "admin" },
  mount(routes, show) {
    routes
      .get(`${BASE}/keys`, (c) => keysShown(c, show))
      .post(`${BASE}/keys`, async (c) => {
        const form = await c.req.parseBody({ all: true });
        const scopes = [form.scope ?? []].flat().map(String);
        const wanted = {
          ...{ name: String(form.name ?? "").trim(), scopes },
          ...{ rate: limitOf(form.rate), in_flight: limitOf(form.in_flight) },
        };
        const made = await visitOf(c).api.send<{ name: string; key: string }>("POST", "/mirror/keys", wanted);
        return keysShown(c, show, made.isOk ? { made: made.body } : { problem: made.problem, wanted });
      })
      .get(`${BASE}/keys/:id/revoke`, async (c) => {
        const visit = visitOf(c);
        const { isOk, body, problem } = await visit.api.get<{ data: ShownKey[] }>("/mirror/keys");
        const key = isOk ? body.data.find(({ id }) => id === c.req.param("id")) : undefined;
        if (!key) {
          const content = <Notice tone="bad">{problem ?? "There is no such key."}</Notice>;
          return show(c, { title: "Revoke a key", status: 404, content });
        }
        return show(c, { title: `Revoke ${key.name}?`, content: <RevokeForm visit={visit} shown={key} /> });
      })
      .post(`${BASE}/keys/:id/revoke`, async (c) => {
        const visit = visitOf(c);
        const id = c.req.param("id");
        const { isOk, problem } = await visit.api.send("DELETE", `/mirror/keys/${encodeURIComponent(id)}`);
        if (!isOk) return keysShown(c, show, { problem });
        return redirect(c, visit.link("keys", { revoked: id }));
      });
  },
};

interface Outcome {
  made?: { name: string; key: string };
  problem?: string | null;
  /** What was asked for, to be mended. */
  wanted?: { name: string; scopes: readonly string[] };
}

async function keysShown(c: Context<HttpEnv>, show: Show, { made, problem, wanted }: Outcome = {}) {
  const visit = visitOf(c);
  const { isOk, status, body, problem: denied } = await visit.api.get<{ data: ShownKey[] }>("/mirror/keys");
  if (!isOk) {
    const content = <Notice tone="bad">{denied}</Notice>;
    return show(c, { title: "Keys", status: status === 403 ? 403 : 503, content });
  }
  const revoked = body.data.find(({ id }) => id === visit.query.get("revoked"));
  return show(c, {
    title: "Keys",
    status: problem ? 422 : 200,
    content: (
      <>
        {made && (
          <Notice tone="good">
            <p>
              The key of {made.name}. This is the only time it is shown:{" "}
              <code class="secret">{made.key}</code>
            </p>
          </Notice>
        )}
        {problem && <Notice tone="bad">{problem}</Notice>}
        {revoked?.revoked_at && (
          <Notice tone="good">{revoked.name} is revoked, and refused everywhere.</Notice>
        )}
        <SearchBox visit={visit} path="keys" label="Search keys" placeholder="Name, id, scope …" />
        <div id="results" aria-live="polite">
          <Panel title="Keys that were made">
            <Found visit={visit} keys={body.data} />
          </Panel>
        </div>
        <Panel title="Make a key">
          <NewKeyForm visit={visit} wanted={wanted} />
        </Panel>
      </>
    ),
  });
}

/** A page has no room for more. */
const MOST_SHOWN = 100;

function Found({ visit, keys }: { visit: Visit; keys: readonly ShownKey[] }) {
  if (keys.length === 0)
    return (
      <Empty title="No key was made yet">Make one below for each application that asks the mirror.</Empty>
    );
  const search = (visit.query.get("q") ?? "").trim().toLowerCase();
  const found = keys.filter(({ id, name, scopes }) =>
    [id, name, ...scopes].some((text) => text.toLowerCase().includes(search)),
  );
  if (found.length === 0)
    return (
      <Empty title="No key matches">
        <a href={visit.link("keys")}>Show all</a>, or search for less.
      </Empty>
    );
  return (
    <>
      <KeyTable visit={visit} keys={found.slice(0, MOST_SHOWN)} />
      {found.length > MOST_SHOWN && (
        <p class="quiet">and {count(found.length - MOST_SHOWN)} older ones: search for them by name</p>
      )}
    </>
  );
}

function KeyTable({ visit, keys }: { visit: Visit; keys: readonly ShownKey[] }) {
  const { nowMs } = visit;
  return (
    <Table
      caption="Keys, the newest first"
      head={["name", "scopes", "limits", "made", "last used", "revoke"]}
    >
      {keys.map(({ id, name, scopes, rate, in_flight, created_at, last_used_at, revoked_at }) => (
        <tr>
          <td title={id}>{name}</td>
          <td>
            {scopes.map((scope) => (
              <>
                <Badge>{scope}</Badge>{" "}
              </>
            ))}
          </td>
          <td>
            {rate}/s, {in_flight} at a time
          </td>
          <td>
            <Time at={created_at} nowMs={nowMs} />
          </td>
          <td>
            <Time at={last_used_at} nowMs={nowMs} />
          </td>
          <td>
            {revoked_at === null ? (
              <a class="button danger" href={visit.link(`keys/${id}/revoke`)} aria-label={`Revoke ${name}`}>
                Revoke
              </a>
            ) : (
              <>
                revoked <Time at={revoked_at} nowMs={nowMs} />
              </>
            )}
          </td>
        </tr>
      ))}
    </Table>
  );
}

function NewKeyForm({ visit, wanted }: { visit: Visit; wanted: Outcome["wanted"] }) {
  return (
    <form method="post" action={visit.link("keys")}>
      <Csrf visit={visit} />
      <div class="row">
        <label>
          Name
          <input name="name" required maxlength={100} value={wanted?.name ?? ""} placeholder="backend" />
        </label>
        <label>
          Requests a second
          <input name="rate" inputmode="numeric" pattern="[0-9]{1,7}" placeholder="5000" size={8} />
        </label>
        <label>
          At a time
          <input name="in_flight" inputmode="numeric" pattern="[0-9]{1,7}" placeholder="1000" size={8} />
        </label>
      </div>
      <fieldset>
        <legend>
          Scopes: what the key may do. A key can only make keys that can do no more than itself.
        </legend>
        {SCOPES.map((scope) => (
          <div>
            <label class="inline">
              <input
                type="checkbox"
                name="scope"
                value={scope}
                checked={wanted?.scopes.includes(scope) ?? scope === "users:read"}
                disabled={!visit.scopes.has(scope)}
              />
              <code>{scope}</code> <span class="quiet">{MEANING[scope]}</span>
            </label>
          </div>
        ))}
      </fieldset>
      <button type="submit" class="primary">
        Make the key
      </button>
    </form>
  );
}

function RevokeForm({ visit, shown }: { visit: Visit; shown: ShownKey }) {
  return (
    <form class="panel" method="post" action={visit.link(`keys/${shown.id}/revoke`)}>
      <Csrf visit={visit} />
      <p>
        Whoever uses <strong>{shown.name}</strong> is refused within a second, for good. It was last used{" "}
        <Time at={shown.last_used_at} nowMs={visit.nowMs} />.
      </p>
      <div class="row">
        <button type="submit" class="danger">
          Revoke {shown.name}
        </button>
        <a class="button" href={visit.link("keys")}>
          Keep it
        </a>
      </div>
    </form>
  );
}

/** What isn't a number is left to the route, which says so. */
const limitOf = (value: unknown) => {
  const text = String(value ?? "").trim();
  // More digits may be no number that JSON has: it would be null there, the default.
  return text === "" ? null : /^\d{1,15}$/.test(text) ? Number(text) : text;
};
