import { Command } from "commander";
import { cursorOf, type FeedPlace, parseCursor } from "../changes/cursor.js";
import { type ChangedKind, createFeedPages, type FeedRow, KINDS, kindsNamed } from "../changes/pages.js";
import { unwatched } from "../db/connection/availability.js";
import { sleep } from "../lib/async.js";
import { AppError } from "../lib/errors.js";
import { untilInterrupted, withStore } from "./context.js";
import { listed } from "./options.js";
import { when } from "./output.js";

interface Flags {
  after: string;
  types?: string;
  follow?: boolean;
  json?: boolean;
}

const POLL_MS = 500;
const PER_PAGE = 500;

/** `user-mirror changes`. Reads the feed straight from the database. Needs neither a server nor Clerk. */
export function changesCommand(): Command {
  return new Command("changes")
    .description("What changed, in the order of commits")
    .option("--after <place>", "start, now, or the cursor of a change", "start")
    .option("--types <types>", `some of ${KINDS.join(",")}`, listed)
    .option("--follow", "go on with what comes, until Ctrl-C")
    .option("--json", "one JSON object a line, with cursors to go on from")
    .addHelpText(
      "after",
      `
  $ user-mirror changes --follow --types user      what happens to users, as it happens
  $ user-mirror changes --json --after <cursor>    what has come since
`,
    )
    .action(changes);
}

function changes({ after, types, follow = false, json = false }: Flags): Promise<void> {
  const kinds = kindsOf(types);
  return withStore(async ({ database, clock }, config) => {
    const pages = createFeedPages({
      ...{ sql: database.primary.sql, availability: unwatched, nowMs: clock.now },
      retentionMs: config.changes.retentionMs,
    });
    const { signal } = untilInterrupted();
    let place: FeedPlace | null = await placeOf(after, pages.newest);
    while (!signal.aborted) {
      const { rows, end, hasMore } = await pages.after(place, { kinds, limit: PER_PAGE });
      for (const row of rows) process.stdout.write(`${json ? jsonOf(row) : lineOf(row)}\n`);
      place = end;
      if (!hasMore && !follow) return;
      if (!hasMore) await sleep(POLL_MS, signal).catch(() => {});
    }
  });
}

async function placeOf(after: string, newest: () => Promise<FeedPlace>): Promise<FeedPlace | null> {
  if (after === "start") return null;
  return after === "now" ? newest() : cursorGiven(after);
}

function cursorGiven(text: string): FeedPlace {
  try {
    return parseCursor(text, "--after");
  } catch (cause) {
    throw new AppError("usage", "--after takes start, now, or a cursor that the mirror has given out.", {
      cause,
    });
  }
}

function kindsOf(types: string | undefined): ReadonlySet<ChangedKind> {
  const kinds = kindsNamed(types);
  if (kinds) return kinds;
  throw new AppError("usage", `--types takes ${KINDS.join(", ")}, separated by commas.`);
}

const jsonOf = (row: FeedRow) =>
  JSON.stringify({
    cursor: cursorOf(row),
    type: row.type,
    id: row.id,
    version: row.updatedAtMs,
    at: row.atMs,
  });

const lineOf = ({ atMs, type, id }: FeedRow) => `${when(atMs)}  ${type.padEnd(23)}  ${id}`;
