import type { Child } from "hono/jsx";
import { FIELD_NAMES } from "../../../query/field.js";
import { nameOf } from "../model/clerk-user.js";
import { paramsOfUserList, USUAL_COLUMNS, type UserList } from "../model/user-list.js";
import { Badge, count, Empty, Notice, Table } from "../parts/basics.js";
import { address, userPath } from "../parts/links.js";
import { Value } from "../parts/value.js";
import type { Answer } from "../visit/api.js";
import type { Visit } from "../visit/visit.js";

/** As `POST /mirror/users/query` answers. */
export interface Found {
  data: Readonly<Record<string, unknown>>[];
  next_cursor: string | null;
  total_count?: number;
}

export const PAGE_ROWS = 50;

/** The users that were found, how many there are, and what to do with them. */
export function Results({ visit, list, found }: { visit: Visit; list: UserList; found: Answer<Found> }) {
  if (!found.isOk || list.textProblem !== null) {
    return (
      <div id="results" aria-live="polite">
        {list.textProblem !== null ? (
          <Notice tone="bad">The filter that is written here can't be read: {list.textProblem}</Notice>
        ) : (
          <Refused visit={visit} list={list} found={found} />
        )}
      </div>
    );
  }
  const { data, next_cursor: next } = found.body;
  return (
    <div id="results" aria-live="polite">
      <div class="panel">
        {list.problems.size > 0 && (
          <Notice tone="warn">
            {list.problems.size === 1 ? "One condition is" : `${list.problems.size} conditions are`} not
            complete, and left out of this list: see above.
          </Notice>
        )}
        <div class="panel-head">
          <Total visit={visit} list={list} found={found.body} />
          <span class="row">
            {(["csv", "ndjson"] as const).map((format) => {
              const params = paramsOfUserList(list, { cursor: null, isCountedExactly: false });
              params.set("format", format);
              return (
                <a class="button" href={address(visit, "users-export", params)} download={`users.${format}`}>
                  Export {format.toUpperCase()}
                </a>
              );
            })}
          </span>
        </div>
        {data.length === 0 ? (
          <Nobody visit={visit} list={list} />
        ) : (
          <Table caption="Users" head={["User", ...list.columns.map((name) => heading(visit, list, name))]}>
            {data.map((user) => (
              <tr>
                <td>
                  <UserName visit={visit} user={user} />
                </td>
                {list.columns.map((name) => (
                  <td>
                    <Value name={name} value={user[name]} nowMs={visit.nowMs} />
                  </td>
                ))}
              </tr>
            ))}
          </Table>
        )}
        <nav class="row pager" aria-label="Pages of this list">
          {list.cursor !== null && (
            <a class="button" href={address(visit, "users", paramsOfUserList(list, { cursor: null }))}>
              First page
            </a>
          )}
          {next !== null && (
            <a
              class="button"
              rel="next"
              href={address(visit, "users", paramsOfUserList(list, { cursor: next }))}
            >
              Next {PAGE_ROWS}
            </a>
          )}
        </nav>
      </div>
    </div>
  );
}

/** Estimated, and exact where somebody asks for it, or where the list is no longer than its page. */
function Total({ visit, list, found }: { visit: Visit; list: UserList; found: Found }) {
  const isWhole = list.cursor === null && found.next_cursor === null;
  if (isWhole || list.isCountedExactly) {
    const n = isWhole ? found.data.length : (found.total_count ?? 0);
    return (
      <strong id="total">
        {count(n)} {n === 1 ? "user" : "users"}
      </strong>
    );
  }
  const params = paramsOfUserList(list, { isCountedExactly: true });
  return (
    <span id="total">
      <strong>about {count(found.total_count ?? 0)} users</strong>{" "}
      <a
        href={address(visit, "users", params)}
        {...{ "hx-get": address(visit, "users", params), "hx-target": "#total", "hx-select": "#total" }}
        {...{ "hx-swap": "outerHTML" }}
      >
        count exactly
      </a>
    </span>
  );
}

/** Fields of which a user can have several can't be put in order. */
const UNORDERED = ["provider", "organization_id", "organization_role"];

function heading(visit: Visit, list: UserList, name: string): Child {
  const isOrderable =
    !UNORDERED.includes(name) &&
    ((FIELD_NAMES as readonly string[]).includes(name) || name.includes("_metadata."));
  if (!isOrderable) return name;
  const isUp = list.order === name;
  const isDown = list.order === `-${name}`;
  const params = paramsOfUserList(list, { order: isDown ? name : `-${name}`, cursor: null });
  return (
    <a href={address(visit, "users", params)} title={`Order by ${name}`}>
      {name}
      {isUp ? " ▲" : isDown ? " ▼" : ""}
    </a>
  );
}

function UserName({ visit, user }: { visit: Visit; user: Found["data"][number] }) {
  const id = String(user.id);
  return (
    <>
      <a href={visit.link(userPath(id))} title={id}>
        {nameOf(user)}
      </a>{" "}
      {user.banned === true && <Badge tone="bad">banned</Badge>}
      {user.locked === true && <Badge tone="warn">locked</Badge>}
    </>
  );
}

function Nobody({ visit, list }: { visit: Visit; list: UserList }) {
  const isFiltered = list.search !== "" || Object.keys(list.filter).length > 0;
  if (isFiltered) {
    return (
      <Empty title="Nobody matches">
        <a href={visit.link("users")}>Show everybody</a>, or search for less: a part of a name is enough.
      </Empty>
    );
  }
  return (
    <Empty title="There are no users yet">
      They appear here as soon as somebody signs up at Clerk. Is the right instance mirrored?{" "}
      <code>CLERK_SECRET_KEY</code> says which.
    </Empty>
  );
}

function Refused({ visit, list, found }: { visit: Visit; list: UserList; found: Answer<Found> }) {
  if (found.status === 503)
    return (
      <Notice tone="warn">
        {found.problem} <a href={address(visit, "users", paramsOfUserList(list))}>Try again</a>.
      </Notice>
    );
  return (
    <Notice tone="bad">
      {found.problem}{" "}
      {list.cursor !== null ? (
        <a href={address(visit, "users", paramsOfUserList(list, { cursor: null }))}>
          Begin at the first page
        </a>
      ) : (
        <a
          href={address(
            visit,
            "users",
            paramsOfUserList(list, { columns: USUAL_COLUMNS, order: "-created_at" }),
          )}
        >
          Show the usual columns and order
        </a>
      )}
      .
    </Notice>
  );
}
