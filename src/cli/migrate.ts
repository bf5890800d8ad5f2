import { Command } from "commander";
import { grantsSql, hasReaderRoles } from "../db/setup/grants.js";
import { audited } from "./audit.js";
import { withStore } from "./context.js";
import { print } from "./output.js";

interface Flags {
  printGrants?: boolean;
  json?: boolean;
}

const NO_ROLES =
  "The roles mirror_reader and mirror_reader_private don't exist or lack rights, and this role may not make them: " +
  "let a DBA run what `user-mirror migrate --print-grants` prints.";

/** `user-mirror migrate`. */
export function migrateCommand(): Command {
  return new Command("migrate")
    .description("Bring the database to this version's schema; the server does so itself when it starts")
    .option(
      "--print-grants",
      "print the SQL that makes the reader roles, for a DBA to run, and change nothing",
    )
    .option("--json", "print JSON")
    .action(migrate);
}

async function migrate(flags: Flags): Promise<void> {
  if (flags.printGrants) return print(flags, { sql: grantsSql() }, grantsSql());
  // Opening the store migrates it.
  await audited("migrate", [], () =>
    withStore(async ({ database }) => {
      const hasRoles = await hasReaderRoles(database.primary.sql);
      const text = `The database is up to date.${hasRoles ? "" : ` ${NO_ROLES}`}`;
      print(flags, { migrated: true, reader_roles: hasRoles }, text);
    }),
  );
}
