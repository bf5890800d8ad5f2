import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrateDatabase } from "../../src/db/setup/migrate.js";

const DRIZZLE = join(import.meta.dirname, "../../drizzle");

/** Brings the database to the schema that a migration found, and no further. `tag`: the last migration that it gets. */
export async function migrateUntil(url: string, tag: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-previous-"));
  try {
    cpSync(DRIZZLE, folder, { recursive: true });
    const file = join(folder, "meta", "_journal.json");
    const journal = JSON.parse(readFileSync(file, "utf8")) as { entries: { tag: string }[] };
    const last = journal.entries.findIndex((entry) => entry.tag === tag);
    writeFileSync(file, JSON.stringify({ ...journal, entries: journal.entries.slice(0, last + 1) }));
    await migrateDatabase({ url, folder });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
