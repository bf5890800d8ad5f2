import { Command } from "commander";
import type { Config } from "../config.js";
import { unwatched } from "../db/connection/availability.js";
import { createCommitPositions } from "../db/connection/commit-position.js";
import type { Sql } from "../db/connection/sql.js";
import { AppError } from "../lib/errors.js";
import { createFieldPolicy } from "../lib/field-policy/policy.js";
import { letterContent } from "../lib/letter-content.js";
import type { Store } from "../runtime/store.js";
import { dropDeadLetters, findDeadLetter, listDeadLetters } from "../sync/ledger/dead-letters.js";
import { createIngest } from "../sync/webhooks/ingest.js";
import { createReplay } from "../sync/webhooks/replay.js";
import { audited } from "./audit.js";
import { commandLogger, withStore } from "./context.js";
import { print, table, when } from "./output.js";

interface Flags {
  json?: boolean;
}

interface ShowFlags extends Flags {
  private?: boolean;
}

const MOST_LISTED = 500;

/** `user-mirror dead-letters list|show|replay|drop`. */
export function deadLettersCommand(): Command {
  const letters = new Command("dead-letters").description(
    "What could not be applied, kept until it is replayed or dropped",
  );
  letters
    .command("list")
    .description("All of them, the oldest first")
    .option("--json", "print JSON")
    .action((flags: Flags) => withStore(({ database }) => list(database.primary.patient, flags)));
  letters
    .command("show <id>")
    .description(
      "One with its content, which may be personal; of private metadata, and of what isn't JSON, nothing unless asked for",
    )
    .option("--private", "every byte of it, private metadata too; in base64 where it isn't UTF-8")
    .option("--json", "print JSON")
    .action((id: string, flags: ShowFlags) =>
      withStore(({ database }) => show(database.primary.sql, id, flags)),
    );
  letters
    .command("replay <id>")
    .description("Try one again; what a walk could not store is asked of Clerk by the server")
    .option("--json", "print JSON")
    .action((id: string, flags: Flags) =>
      audited("dead-letters replay", [id], () =>
        withStore((store, config) => replay(store, config, id, flags)),
      ),
    );
  letters
    .command("drop <id>")
    .description("Give one up")
    .option("--json", "print JSON")
    .action((id: string, flags: Flags) =>
      audited("dead-letters drop", [id], () =>
        withStore(({ database }) => drop(database.primary.sql, id, flags)),
      ),
    );
  return letters;
}

async function list(sql: Sql, flags: Flags): Promise<void> {
  const found = await listDeadLetters(sql, MOST_LISTED);
  const rows = found.map((one) => [
    one.id,
    one.kind ?? "",
    one.type ?? "",
    when(one.receivedAtMs),
    String(one.attempts),
    one.error,
  ]);
  print(
    flags,
    found,
    rows.length > 0 ? table(["ID", "KIND", "TYPE", "RECEIVED", "TRIES", "ERROR"], rows) : "There are none.",
  );
}

async function show(sql: Sql, id: string, flags: ShowFlags): Promise<void> {
  const letter = await findDeadLetter(sql, id);
  if (!letter) throw noLetter(id);
  const { text, encoding } = letterContent(letter.payload, { showPrivate: flags.private === true });
  const notShown =
    "It isn't JSON, so that what is private in it can't be left out: --private shows it whole.";
  print(
    flags,
    { ...letter, payload: text, payloadEncoding: encoding },
    `${letter.error}\n\n${text ?? notShown}`,
  );
}

async function replay({ database, clock }: Store, config: Config, id: string, flags: Flags): Promise<void> {
  const { sql } = database.primary;
  const ingest = createIngest({
    ...{
      sql,
      availability: unwatched,
      positions: createCommitPositions(sql, unwatched),
      clock,
      lagMs: config.upstream.lagMs,
      instanceId: null,
      fieldPolicy: createFieldPolicy(config.fieldPolicy),
    },
    log: commandLogger(config),
  });
  const status = await createReplay({ sql, ingest })(id);
  if (status === null) throw noLetter(id);
  print(flags, { id, status }, `${id}: ${status}`);
  if (status === "dead_lettered") process.exitCode = 1;
}

async function drop(sql: Sql, id: string, flags: Flags): Promise<void> {
  if ((await dropDeadLetters(sql, [id])) === 0) throw noLetter(id);
  print(flags, { id, deleted: true }, `Dropped ${id}.`);
}

const noLetter = (id: string) => new AppError("not_found", `There is no dead letter ${id}.`);
