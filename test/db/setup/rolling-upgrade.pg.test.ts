// Covers src/db/setup/{migrate,migration-locks}.ts

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { connect } from "../../../src/db/connection/client.js";
import type { Tx } from "../../../src/db/connection/sql.js";
import { migrateDatabase } from "../../../src/db/setup/migrate.js";
import { startSandbox } from "../../../src/sandbox/server.js";
import { freshDatabase } from "../../support/database.js";
import { holdLocks } from "../../support/hold-locks.js";
import { expectSame, startMirror } from "../../support/mirror.js";

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of cleanUp.splice(0).reverse()) await one();
});

async function ownDatabase(): Promise<string> {
  const own = await freshDatabase();
  cleanUp.push(own.drop);
  return own.url;
}

async function hold(url: string, take: (tx: Tx) => Promise<unknown>): Promise<() => Promise<void>> {
  const release = await holdLocks(url, take);
  cleanUp.push(release);
  return release;
}

/** This version's migrations and one more, as the next version has them. */
function nextVersion(): string {
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-next-"));
  cleanUp.push(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(import.meta.dirname, "../../../drizzle"), folder, { recursive: true });
  const file = join(folder, "meta", "_journal.json");
  const journal = JSON.parse(readFileSync(file, "utf8"));
  const tag = "9999_later";
  journal.entries.push({
    ...journal.entries.at(-1),
    idx: journal.entries.length,
    when: 4_000_000_000_000,
    tag,
  });
  writeFileSync(file, JSON.stringify(journal));
  writeFileSync(
    join(folder, `${tag}.sql`),
    `alter table mirror_data.users add column later text;
    --> statement-breakpoint
    create index later on mirror_data.users (later);`,
  );
  return folder;
}

describe("a process that starts on a database in use", () => {
  test.for<[string, (tx: Tx) => Promise<unknown>]>([
    [
      "a vacuum",
      (tx) => tx`lock table mirror_data.users, mirror_data.user_search in share update exclusive mode`,
    ],
    [
      "a transaction that writes",
      (tx) => tx`lock table mirror_data.users, mirror_data.user_search in row exclusive mode`,
    ],
  ])("waits for nobody where there is nothing to migrate: %s", async ([, take]) => {
    const url = await ownDatabase();
    await hold(url, take);
    const waits: string[] = [];
    await migrateDatabase({ url, onWait: (reason) => waits.push(reason) });
    expect(waits).toEqual([]);
  });

  test("migrates beside an old one that reads and takes webhooks, and both go on", async () => {
    const url = await ownDatabase();
    const sandbox = await startSandbox({ users: 20, organizations: 1, retryScheduleMs: [50, 50, 50, 50] });
    cleanUp.push(sandbox.close);
    const old = await startMirror({ sandbox, databaseUrl: url });
    cleanUp.push(old.stop);
    const ids = sandbox.clerk.users().map(({ id }) => String(id));
    const headers = { Authorization: `Bearer ${sandbox.secretKey}` };
    const statuses = new Set<number>();
    let isOver = false;
    let changes = 0;
    const read = async (path: string) => {
      while (!isOver) {
        const response = await fetch(`${old.url}${path}`, { headers });
        statuses.add(response.status);
        await response.text();
        await setTimeout(20);
      }
    };
    const change = async () => {
      while (!isOver) {
        sandbox.clerk.updateUser(ids[changes % ids.length] ?? "", { first_name: `Name ${changes}` });
        await sandbox.webhooks.settle();
        changes++;
      }
    };
    const using = Promise.all([
      ...[`/v1/users/${ids[0]}`, "/v1/users?limit=20", "/v1/users/count"].map(read),
      change(),
    ]);

    const release = await hold(url, (tx) => tx`select from mirror_data.users limit 1`);
    const waits: string[] = [];
    const migrating = migrateDatabase({ url, folder: nextVersion(), onWait: (reason) => waits.push(reason) });
    await expect.poll(() => waits.length, { timeout: 30_000 }).toBeGreaterThan(0);
    expect(waits[0]).toMatch(/process \d+ \(user-mirror, idle in transaction/);
    const before = changes;
    await expect.poll(() => changes, { timeout: 30_000 }).toBeGreaterThan(before + 5);
    await release();
    await migrating;
    isOver = true;
    await using;
    expect([...statuses]).toEqual([200]);
    await expectSame(old.url, sandbox);
    const check = connect({ url, poolMax: 1 });
    cleanUp.push(check.close);
    expect(await check.primary.sql`select to_regclass('mirror_data.later') is not null as has`).toEqual([
      { has: true },
    ]);
    // The version before is refused from now on; what of it runs goes on until it is stopped.
    await expect(migrateDatabase({ url })).rejects.toMatchObject({ code: "configuration" });
  }, 120_000);

  test("gives up in time, and says who holds what a migration needs", async () => {
    const url = await ownDatabase();
    await hold(url, (tx) => tx`select from mirror_data.users limit 1`);
    await expect(migrateDatabase({ url, folder: nextVersion(), patienceMs: 1000 })).rejects.toMatchObject({
      code: "database_unavailable",
      message: expect.stringMatching(
        /others use them: process \d+ \(user-mirror, idle in transaction, for \d+ s\)/,
      ),
    });
  });

  test("gives up in time where another migrates for too long, and says who", async () => {
    const url = await ownDatabase();
    await hold(url, (tx) => tx`select pg_advisory_xact_lock(7310214401)`);
    await expect(migrateDatabase({ url, patienceMs: 500 })).rejects.toMatchObject({
      code: "database_unavailable",
      message: expect.stringMatching(/Another process migrates this database: process \d+ \(user-mirror/),
    });
  });
});
