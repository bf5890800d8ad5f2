import { Command } from "commander";
import { noCache } from "../cache/user-cache.js";
import { unwatched } from "../db/connection/availability.js";
import { AppError } from "../lib/errors.js";
import { parseListParams, parseUserFilter, type RawParams } from "../query/clerk-params.js";
import { createUserQueries, type UserQueries } from "../query/users.js";
import { withStore } from "./context.js";
import { print, table, when } from "./output.js";
import { addUserQueries } from "./user-queries.js";

interface Flags {
  json?: boolean;
  filter?: string[];
  private?: boolean;
}

const FILTERS = `
Filters are the parameters of Clerk's list, one after the other:
  $ user-mirror users list query=ann limit=5 order_by=-last_active_at
  $ user-mirror users count banned=true
  $ user-mirror users list email_address=ann@example.com email_address=bob@example.com
`;

/** `user-mirror users get|list|count`: the mirror's answers, straight from the database. Needs neither a server nor Clerk. */
export function usersCommand(): Command {
  const users = new Command("users").description("Look at the users in the mirror");
  users
    .command("get <user_id>")
    .description("One user as JSON")
    .option("--private", "with private metadata")
    .option("--json", "print JSON (which it always does)")
    .action((id: string, flags: Flags) =>
      withUsers(async (queries) => {
        const user = await queries.get(id, { privateMetadata: flags.private ?? false });
        if (user.kind === "live") return print({ json: true }, JSON.parse(String(user.body)), "");
        throw new AppError(
          "not_found",
          `The mirror knows no user ${id}${user.kind === "gone" ? ": deleted" : ""}.`,
        );
      }),
    );
  users
    .command("list [filters...]")
    .description("A page of users")
    .option("--private", "with private metadata, in JSON")
    .option("--json", "print JSON")
    .addHelpText("after", FILTERS)
    .action((filters: string[], flags: Flags) =>
      withUsers(async (queries) => {
        const params = parseListParams(paramsOf(filters));
        const found = JSON.parse(
          String(await queries.list(params, { privateMetadata: flags.private ?? false })),
        );
        print(flags, found, describe(found));
      }),
    );
  users
    .command("count [filters...]")
    .description("How many users match")
    .option("--json", "print JSON")
    .addHelpText("after", FILTERS)
    .action((filters: string[], flags: Flags) =>
      withUsers(async (queries) => {
        const count = await queries.count(parseUserFilter(paramsOf(filters)));
        print(flags, { object: "total_count", total_count: count }, String(count));
      }),
    );
  addUserQueries(users);
  return users;
}

function withUsers(work: (queries: UserQueries) => Promise<void>): Promise<void> {
  return withStore(({ database, clock }) =>
    work(createUserQueries(database.readers, { nowMs: clock.now, availability: unwatched, cache: noCache })),
  );
}

function paramsOf(filters: readonly string[]): RawParams {
  const params: Record<string, string[]> = {};
  for (const filter of filters) {
    const at = filter.indexOf("=");
    if (at < 1) throw new AppError("usage", `"${filter}" is no filter: write name=value, like query=ann.`);
    const name = filter.slice(0, at);
    params[name] = [...(params[name] ?? []), filter.slice(at + 1)];
  }
  return params;
}

interface Listed {
  id: string;
  first_name: string | null;
  last_name: string | null;
  primary_email_address_id: string | null;
  email_addresses: { id: string; email_address: string }[];
  created_at: number;
}

function describe(users: readonly Listed[]): string {
  const rows = users.map((user) => [
    user.id,
    [user.first_name, user.last_name].filter(Boolean).join(" "),
    user.email_addresses.find((email) => email.id === user.primary_email_address_id)?.email_address ?? "",
    when(user.created_at),
  ]);
  return rows.length > 0 ? table(["ID", "NAME", "E-MAIL", "CREATED"], rows) : "No user matches.";
}
