import { Command } from "commander";
import { DEFAULT_LIMITS } from "../auth/limits.js";
import { SCOPES } from "../auth/scopes.js";
import type { Orm } from "../db/connection/client.js";
import { AppError } from "../lib/errors.js";
import { createKey, listKeys, revokeKey } from "../operations/keys.js";
import { audited, type NoteId } from "./audit.js";
import { withStore } from "./context.js";
import { listed } from "./options.js";
import { print, table, when } from "./output.js";

interface Flags {
  json?: boolean;
}

interface CreateFlags extends Flags {
  name: string;
  scope: string;
  rate?: string;
  inFlight?: string;
}

/** `user-mirror keys create|list|revoke`. */
export function keysCommand(): Command {
  const keys = new Command("keys").description("Keys for the clients of the mirror");
  keys
    .command("create")
    .description("Make a key and print it: it can't be shown again")
    .requiredOption("--name <name>", "whose it is")
    .requiredOption("--scope <scopes>", `what it may do, separated by commas: ${SCOPES.join(", ")}`, listed)
    .option("--rate <n>/s", `requests a second; ${DEFAULT_LIMITS.rate}/s if not given`)
    .option("--in-flight <n>", `requests at a time; ${DEFAULT_LIMITS.inFlight} if not given`)
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
  users:read             lists, counts, gets, and every other GET under /v1/users
  users:write            every other method there
  private_metadata:read  private metadata, which others see as null
  changes:read           the change feed
  proxy                  everything else of Clerk's API: as powerful as the secret key itself
  admin                  /mirror/status, reconciles, dead letters

A key with the scope proxy can do to your Clerk instance whatever CLERK_SECRET_KEY can. Beyond --rate or --in-flight a
request is answered 429 with Retry-After. Each process of the mirror counts for itself: two of them let twice as much
through. CLERK_SECRET_KEY and MIRROR_API_KEY have no such limits.`,
    )
    .action((flags: CreateFlags) =>
      audited("keys create", [], (note) => withOrm((orm) => create(orm, flags, note))),
    );
  keys
    .command("list")
    .description("All keys, the newest first")
    .option("--json", "print JSON")
    .action((flags: Flags) =>
      withOrm(async (orm) => {
        const keys = await listKeys(orm);
        const whenever = (at: number | null) => (at === null ? "" : when(at));
        const rows = keys.map(
          ({ id, name, scopes, rate, in_flight, created_at, last_used_at, revoked_at }) => [
            ...[id, name, scopes.join(","), `${rate}/s`, String(in_flight)],
            ...[when(created_at), whenever(last_used_at), whenever(revoked_at)],
          ],
        );
        const heads = ["ID", "NAME", "SCOPES", "RATE", "IN FLIGHT", "CREATED", "LAST USED", "REVOKED"];
        print(flags, keys, rows.length > 0 ? table(heads, rows) : "There are none.");
      }),
    );
  keys
    .command("revoke <id_or_name>")
    .description("End a key; every process refuses it within a second")
    .option("--json", "print JSON")
    .action((idOrName: string, flags: Flags) =>
      audited("keys revoke", [idOrName], (note) => withOrm((orm) => revoke(orm, idOrName, flags, note))),
    );
  return keys;
}

async function create(orm: Orm, flags: CreateFlags, note: NoteId): Promise<void> {
  const scopes = flags.scope.split(/[\s,]+/).filter(Boolean);
  const rate = limitOf(flags.rate, /^(\d{1,7})(?:\/s)?$/, "--rate takes requests a second, such as 100/s.");
  const inFlight = limitOf(
    flags.inFlight,
    /^(\d{1,7})$/,
    "--in-flight takes a number of requests, such as 32.",
  );
  const made = await createKey(orm, { name: flags.name, scopes, rate, inFlight }).catch((error) => {
    if (!(error instanceof AppError) || error.code !== "invalid_request") throw error;
    const option = error.meta?.param_name === "scopes" ? "--scope" : "--name";
    throw new AppError("usage", `${option}: ${error.longMessage}`);
  });
  note(made.id);
  print(flags, made, `${made.key}\n\nThis is the only time it is shown.`);
}

async function revoke(orm: Orm, idOrName: string, flags: Flags, note: NoteId): Promise<void> {
  const revoked = await revokeKey(orm, idOrName);
  if (!revoked) throw new AppError("not_found", `No key in use has the id or name ${idOrName}.`);
  note(revoked.id);
  print(flags, revoked, `Revoked ${revoked.name} (${revoked.id}).`);
}

/** Null when the option wasn't given. */
function limitOf(text: string | undefined, pattern: RegExp, help: string): number | null {
  if (text === undefined) return null;
  const limit = Number(pattern.exec(text)?.[1] ?? 0);
  if (limit < 1) throw new AppError("usage", help);
  return limit;
}

function withOrm(work: (orm: Orm) => Promise<void>): Promise<void> {
  return withStore(({ database }) => work(database.primary.orm));
}
