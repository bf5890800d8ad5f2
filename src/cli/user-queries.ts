import { once } from "node:events";
import type { Command } from "commander";
import type { Scope } from "../auth/scopes.js";
import { unwatched } from "../db/connection/availability.js";
import { AppError } from "../lib/errors.js";
import { OURSELVES } from "../lib/shares.js";
import { timeText } from "../query/csv.js";
import { createQueryEngine } from "../query/engine.js";
import { createExport } from "../query/export.js";
import type { FilterContext } from "../query/language/json-filter.js";
import { parseUserLink, type UserQuery } from "../query/language/request.js";
import { type Column, columnsOf } from "../query/project.js";
import { createUserSearch } from "../query/user-search.js";
import { withStore } from "./context.js";
import { listed } from "./options.js";
import { print, table } from "./output.js";

interface Flags {
  json?: boolean;
  private?: boolean;
  orderBy?: string;
  limit?: string;
  cursor?: string;
  fields?: string;
  count?: boolean;
  csv?: boolean;
}

type Given = { [name in keyof Flags]: Flags[name] | undefined };

const EXAMPLES = `
Filters are JSON or SCIM, as in the mirror's API:
  $ user-mirror users query '{"public_metadata.plan": "pro", "created_at": {"gte": "now-30d"}}'
  $ user-mirror users query 'emails[domain eq "acme.com"] and active eq true' --order-by=-last_active_at --count
  $ user-mirror users export 'banned eq false' --fields id,email_address,public_metadata.plan --csv > users.csv
`;

/** What a table shows where no fields are asked for. */
const USUAL_FIELDS = "id,name,email_address,created_at";

/** Adds `query` and `export` to the command `users`. They read the database: neither a server nor Clerk is needed. */
export function addUserQueries(users: Command): void {
  users
    .command("query [filter]")
    .description("The users whom a filter keeps, a page of them")
    .option("--order-by <fields>", "such as -last_active_at,id; -created_at if not given", listed)
    .option("--limit <n>", "from 1 to 500; 50 if not given")
    .option("--cursor <cursor>", "next_cursor of the page before")
    .option(
      "--fields <fields>",
      "columns: fields of the filter language, metadata paths, members of a user",
      listed,
    )
    .option("--count", "say how many there are in all")
    .option("--private", "with private metadata")
    .option("--json", "print JSON: whole users, without --fields")
    .addHelpText("after", EXAMPLES)
    .action(query);
  users
    .command("export [filter]")
    .description("All users whom a filter keeps, one JSON object a line, or as CSV")
    .option("--fields <fields>", "what to show of each; whole users if not given", listed)
    .option("--csv", "print CSV, for a spreadsheet")
    .option("--private", "with private metadata")
    .option("--json", "print JSON (which it does without --csv)")
    .addHelpText("after", EXAMPLES)
    .action(exportUsers);
}

function query(filter: string | undefined, flags: Flags): Promise<void> {
  return withStore(async ({ database, clock }) => {
    const guard = unwatched.guard;
    const engine = createQueryEngine(database.readers, { guard, nowMs: clock.now });
    const search = createUserSearch({ points: database.readers.points, guard, engine, nowMs: clock.now });
    const fields = flags.fields ?? (flags.json ? undefined : USUAL_FIELDS);
    const asked = parse(filter, { ...flags, fields }, clock.now());
    const found = JSON.parse(String(await search(asked, viewOf(flags), OURSELVES)));
    print(flags, found, describe(found, columnsOf(asked.fields ?? [])));
  });
}

function exportUsers(filter: string | undefined, flags: Flags): Promise<void> {
  return withStore(async ({ database, clock }) => {
    const engine = createQueryEngine(database.readers, { guard: unwatched.guard, nowMs: clock.now });
    const exported = createExport({ engine, pool: database.readers.exports, nowMs: clock.now });
    const asked = parse(filter, flags, clock.now());
    const request = { ...asked, format: flags.csv ? ("csv" as const) : ("ndjson" as const) };
    for await (const chunk of exported(request, viewOf(flags), OURSELVES)) {
      // A reader who has left is no failure (`outliveReaders`).
      if (!process.stdout.write(chunk)) await once(process.stdout, "drain").catch(() => {});
      if (process.stdout.destroyed) return;
    }
  });
}

function paramsOf(
  filter: string | undefined,
  { orderBy, limit, cursor, fields, count }: Given,
): Record<string, string[]> {
  const given = { filter, order_by: orderBy, limit, cursor, fields, count: count ? "true" : undefined };
  const texts = Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(texts.map(([name, text]) => [name, [text]]));
}

/** The names of options are those of parameters, but for their dashes. */
function parse(filter: string | undefined, given: Given, nowMs: number): UserQuery {
  try {
    return parseUserLink(paramsOf(filter, given), contextOf(given, nowMs));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === "forbidden")
      throw new AppError("usage", "Private metadata take the option --private.");
    throw error.code === "invalid_request"
      ? new AppError("usage", error.longMessage ?? error.message)
      : error;
  }
}

const viewOf = (flags: Flags) => ({ privateMetadata: flags.private ?? false });

function contextOf(flags: Given, nowMs: number): FilterContext {
  const scopes: Scope[] = flags.private ? ["users:read", "private_metadata:read"] : ["users:read"];
  return { nowMs, scopes: new Set(scopes) };
}

interface Found {
  data: Record<string, unknown>[];
  next_cursor: string | null;
  total_count?: number;
}

function describe({ data, next_cursor, total_count }: Found, columns: readonly Column[]): string {
  const rows = data.map((user) => columns.map((column) => cell(column, user[column.name])));
  return [
    rows.length > 0
      ? table(
          columns.map(({ name }) => name.toUpperCase()),
          rows,
        )
      : "No user matches.",
    ...(total_count === undefined ? [] : [`${total_count} in all`]),
    ...(next_cursor === null ? [] : [`More: --cursor ${next_cursor}`]),
  ].join("\n");
}

function cell({ name, isTime }: Column, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" && isTime) return timeText(value);
  // Of a name's parts the last is the whole.
  const shown = name === "name" && Array.isArray(value) ? (value.at(-1) ?? "") : value;
  return typeof shown === "string" ? shown : JSON.stringify(shown);
}
