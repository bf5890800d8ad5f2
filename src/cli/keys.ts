import { Command } from "commander";
import { SCOPES } from "../auth/scopes.js";
import { isScope, newKey } from "../auth/stored-keys.js";
import { insertApiKey, listApiKeys, revokeApiKey } from "../db/api-keys.js";
import type { Orm } from "../db/client.js";
import { AppError } from "../lib/errors.js";
import { withStore } from "./context.js";
import { print, table, when } from "./output.js";

interface Flags {
  json?: boolean;
}

const NAME = /^[\w .:@-]{1,100}$/;

/** `user-mirror keys create|list|revoke`. */
export function keysCommand(): Command {
  const keys = new Command("keys").description("Keys for the clients of the mirror");
  keys
    .command("create")
    .description("Make a key and print it: it can't be shown again")
    .requiredOption("--name <name>", "whose it is")
    .requiredOption("--scope <scopes>", `what it may do, separated by commas: ${SCOPES.join(", ")}`)
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
  users:read             lists, counts, gets, and every other GET under /v1/users
  users:write            every other method there
  private_metadata:read  private metadata, which others see as null
  changes:read           the change feed
  proxy                  everything else of Clerk's API: as powerful as the secret key itself
  admin                  /mirror/status, reconciles, dead letters`,
    )
    .action((flags: Flags & { name: string; scope: string }) => withOrm((orm) => create(orm, flags)));
  keys
    .command("list")
    .description("All keys, the newest first")
    .option("--json", "print JSON")
    .action((flags: Flags) =>
      withOrm(async (orm) => {
        const found = await listApiKeys(orm);
        const rows = found.map(({ id, name, scopes, createdAtMs, revokedAtMs }) => [
          ...[id, name, scopes.join(","), when(createdAtMs)],
          revokedAtMs === null ? "" : when(revokedAtMs),
        ]);
        print(
          flags,
          found,
          rows.length > 0 ? table(["ID", "NAME", "SCOPES", "CREATED", "REVOKED"], rows) : "There are none.",
        );
      }),
    );
  keys
    .command("revoke <id_or_name>")
    .description("End a key; every process refuses it within a second")
    .option("--json", "print JSON")
    .action((idOrName: string, flags: Flags) =>
      withOrm(async (orm) => {
        const revoked = await revokeApiKey(orm, idOrName);
        if (!revoked) throw new AppError("not_found", `No key in use has the id or name ${idOrName}.`);
        print(flags, revoked, `Revoked ${revoked.name} (${revoked.id}).`);
      }),
    );
  return keys;
}

async function create(orm: Orm, flags: Flags & { name: string; scope: string }): Promise<void> {
  const scopes = [...new Set(flags.scope.split(/[\s,]+/).filter(Boolean))];
  const unknown = scopes.filter((scope) => !isScope(scope));
  if (unknown.length > 0 || scopes.length === 0) {
    throw new AppError(
      "usage",
      `--scope: ${unknown.join(", ") || "nothing"} is no scope. There are: ${SCOPES.join(", ")}.`,
    );
  }
  if (!NAME.test(flags.name))
    throw new AppError("usage", "--name takes letters, digits, spaces and _ . : @ -");
  const { key, id, digest } = newKey();
  if (!(await insertApiKey(orm, { id, name: flags.name, digest, scopes }))) {
    throw new AppError(
      "conflict",
      `A key named ${flags.name} is in use. Revoke it first, or choose another name.`,
    );
  }
  print(flags, { id, name: flags.name, scopes, key }, `${key}\n\nThis is the only time it is shown.`);
}

function withOrm(work: (orm: Orm) => Promise<void>): Promise<void> {
  return withStore(({ database }) => work(database.orm));
}
