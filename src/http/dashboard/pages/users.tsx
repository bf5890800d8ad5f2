import { FIELD_NAMES } from "../../../query/field.js";
import { respondStream } from "../../respond-stream.js";
import { BASE } from "../assets/base.js";
import {
  languagesOf,
  paramsOfUserList,
  readUserList,
  type UserList,
  wholeFilter,
} from "../model/user-list.js";
import { FilterBuilder } from "../parts/filter-builder.js";
import { address } from "../parts/links.js";
import { type Answer, statusOf } from "../visit/api.js";
import { isPart } from "../visit/headers.js";
import { redirect } from "../visit/redirect.js";
import { type Visit, visitOf } from "../visit/visit.js";
import type { Page } from "./page.js";
import { mountUser } from "./user.js";
import { mountUserChanges } from "./user-changes.js";
import { type Found, PAGE_ROWS, Results } from "./user-results.js";

/** What each row needs beside its columns. */
const ALWAYS = ["id", "first_name", "last_name", "username", "banned", "locked"];
const EXPORTS = { csv: "text/csv", ndjson: "application/x-ndjson" } as const;

/** The id of the form, by which htmx says what was changed. */
const FORM = "users-form";

/** Users by search and filter, and their export. */
export const usersPage: Page = {
  ...{ path: "users", title: "Users", letter: "u", scope: "users:read" },
  mount(routes, show) {
    routes
      .get(`${BASE}/users`, async (c) => {
        const visit = visitOf(c);
        const list = readUserList(visit.query, visit);
        const found = await search(visit, list);
        if (isPart(c)) {
          // What is typed replaces the address, so that going back doesn't walk through letters.
          const how = c.req.header("HX-Trigger") === FORM ? "hx-push-url" : "hx-replace-url";
          c.get("headers")[how] = address(visit, "users", paramsOfUserList(list));
        }
        const status = found.isOk ? 200 : statusOf(found);
        return show(c, {
          title: "Users",
          status,
          content: <Users visit={visit} list={list} found={found} />,
        });
      })
      .get(`${BASE}/users-export`, async (c) => {
        const visit = visitOf(c);
        const list = readUserList(visit.query, visit);
        const format = visit.query.get("format") === "ndjson" ? "ndjson" : "csv";
        const params = new URLSearchParams({
          filter: JSON.stringify(wholeFilter(list)),
          fields: ["id", ...list.columns.filter((name) => name !== "id")].join(","),
        });
        const answer = await visit.api.raw(`/mirror/users?${params}`, {
          headers: { accept: EXPORTS[format] },
        });
        if (!answer.ok || !answer.body || list.problems.size > 0 || list.textProblem !== null) {
          await answer.body?.cancel();
          return redirect(c, address(visit, "users", paramsOfUserList(list)));
        }
        const chunks = answer.body;
        if (c.req.method === "HEAD") await chunks.cancel();
        // As a stream of this request: where it fails in the middle or its key is revoked, that is logged, and the connection is cut.
        return respondStream(c, () => chunks, {
          "content-type": answer.headers.get("content-type") ?? EXPORTS[format],
          "content-disposition": `attachment; filename="users.${format}"`,
        });
      });
    mountUser(routes, show);
    mountUserChanges(routes, show);
  },
};

function search({ api }: Visit, list: UserList): Promise<Answer<Found>> {
  return api.send("POST", "/mirror/users/query", {
    filter: wholeFilter(list),
    order_by: list.order.split(",").map((key) => key.trim()),
    limit: PAGE_ROWS,
    cursor: list.cursor,
    fields: [...new Set([...ALWAYS, ...list.columns])],
    count: list.isCountedExactly ? true : "estimated",
  });
}

function Users({ visit, list, found }: { visit: Visit; list: UserList; found: Answer<Found> }) {
  const whole = visit.link("users");
  return (
    <div id="users">
      <form
        action={whole}
        method="get"
        class="panel"
        {...{ "hx-get": whole, "hx-target": "#users", "hx-select": "#users", "hx-swap": "outerHTML" }}
        {...{ id: FORM, "hx-trigger": "submit, change from:#builder" }}
      >
        <div class="row">
          <label class="hidden" for="q">
            Search users
          </label>
          <input
            {...{ id: "q", type: "search", name: "q", value: list.search, autocomplete: "off" }}
            placeholder="Name, address, phone, id …"
            {...{ "hx-get": whole, "hx-trigger": "input changed delay:150ms", "hx-include": "closest form" }}
            {...{ "hx-target": "#results", "hx-select": "#results" }}
          />
          <button type="submit">Search</button>
          <a href={whole}>Clear</a>
        </div>
        <details id="filter-rows" open={(list.rows?.rows.length ?? 0) > 0}>
          <summary>Filter by fields and metadata</summary>
          {list.rows ? (
            <FilterBuilder list={list} />
          ) : (
            <p class="quiet">
              This filter says more than rows can. It is written below; <a href={whole}>begin anew</a>.
              <input type="hidden" name="filter" value={list.text} />
            </p>
          )}
        </details>
        <Options list={list} />
      </form>
      <WrittenFilter visit={visit} list={list} />
      <Results visit={visit} list={list} found={found} />
    </div>
  );
}

/** Columns and order. */
function Options({ list }: { list: UserList }) {
  const fields: readonly string[] = FIELD_NAMES;
  const others = list.columns.filter((name) => !fields.includes(name));
  // Those that are shown come first, in their order, which is sent back so.
  const names = [...new Set([...list.columns, ...fields])].filter((name) => fields.includes(name));
  return (
    <details id="columns">
      <summary>Columns and order</summary>
      <fieldset>
        <legend>Columns</legend>
        <div class="row">
          {names.map((name) => (
            <label class="inline">
              <input
                {...{ id: `column-${name}`, type: "checkbox", name: "column", value: name }}
                checked={list.columns.includes(name)}
              />
              {name}
            </label>
          ))}
        </div>
        <label>
          Others, separated by commas
          <input
            {...{ id: "other-columns", name: "column", value: others.join(", "), size: 48 }}
            placeholder="public_metadata.plan"
          />
        </label>
      </fieldset>
      <div class="row">
        <label>
          Order
          <input id="order" name="order" value={list.order} spellcheck={false} autocomplete="off" />
        </label>
        <button type="submit">Apply</button>
      </div>
    </details>
  );
}

/** The filter in both of its languages, to be taken elsewhere or to be written by hand. */
function WrittenFilter({ visit, list }: { visit: Visit; list: UserList }) {
  const { json, scim } = languagesOf(list.filter);
  const params = paramsOfUserList(list, { cursor: null, isCountedExactly: false });
  return (
    <section class="panel" aria-label="The filter in words">
      {json !== "{}" && (
        <dl class="pairs">
          <dt>JSON</dt>
          <dd>
            <code id="filter-json">{json}</code>
          </dd>
          <dt>SCIM</dt>
          <dd>
            {"text" in scim ? (
              <code id="filter-scim">{scim.text}</code>
            ) : (
              <span class="quiet">{scim.inexpressible}</span>
            )}
          </dd>
          <dt>Link</dt>
          <dd>
            <a id="filter-link" href={address(visit, "users", params)}>
              This list, to be kept or sent
            </a>
          </dd>
        </dl>
      )}
      <details id="filter-by-hand" open={list.textProblem !== null || list.rows === null}>
        <summary>Write a filter by hand, in JSON or SCIM</summary>
        <form action={visit.link("users")} method="get">
          {[...paramsOfUserList(list, { rows: null, text: "", cursor: null })].map(([name, value]) => (
            <input type="hidden" name={name} value={value} />
          ))}
          <label>
            The filter
            <textarea
              id="filter-text"
              name="filter"
              rows={3}
              spellcheck={false}
              {...(list.textProblem === null
                ? {}
                : { "aria-invalid": true, "aria-describedby": "filter-problem" })}
            >
              {list.text === "" ? (json === "{}" ? "" : json) : list.text}
            </textarea>
          </label>
          {list.textProblem !== null && (
            <p class="row-problem" id="filter-problem" role="alert">
              {list.textProblem}
            </p>
          )}
          <button type="submit">Use this filter</button>
        </form>
      </details>
    </section>
  );
}
