import { Command } from "commander";
import { removeEmbedded } from "../db/embedded/postgres.js";
import { emptyMirror } from "../db/setup/rebuild.js";
import { AppError } from "../lib/errors.js";
import { howToRun } from "../lib/package.js";
import { keepErasures } from "../sync/apply/erase.js";
import { audited } from "./audit.js";
import { configWithoutKey, withStore } from "./context.js";
import { print } from "./output.js";

/** `user-mirror rebuild`. */
export function rebuildCommand(): Command {
  return new Command("rebuild")
    .description(
      "Empty the mirror and forget which Clerk it holds; the next start, or a server that runs, backfills it anew. " +
        "Keys stay. Nothing is changed at Clerk, which answers reads until the backfill has ended",
    )
    .option("--json", "print JSON")
    .action(async (flags: { json?: boolean }) => {
      await audited("rebuild", [], () =>
        withStore(({ database }) => emptyMirror(database.primary.patient, keepErasures)),
      );
      print(
        flags,
        { rebuilt: true },
        `The mirror is empty. It fills again with \`${howToRun("serve")}\` or \`${howToRun("backfill")}\`.`,
      );
    });
}

/** `user-mirror reset`. */
export function resetCommand(): Command {
  return new Command("reset")
    .description(
      "Delete the embedded Postgres in DATA_DIR with all that is in it, keys too. Stop the server first",
    )
    .option("--json", "print JSON")
    .action(async (flags: { json?: boolean }) => {
      const { database } = configWithoutKey();
      if (database.url !== null) {
        throw new AppError(
          "configuration",
          "DATABASE_URL is set: reset deletes only the embedded Postgres.",
          {
            longMessage: "To empty the mirror in that database, use `user-mirror rebuild`.",
          },
        );
      }
      await audited("reset", [], async () => removeEmbedded(database.dataDir));
      print(flags, { reset: true }, `The embedded Postgres of ${database.dataDir} is deleted.`);
    });
}
