// Covers docs/how-to/backup.md

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { cli } from "../support/cli.js";
import { startPostgres15 } from "../support/external-postgres.js";
import { readPage } from "../support/markdown.js";
import { expectSame, startMirror } from "../support/mirror.js";
import { POSTGRES_15 } from "../support/system-packages.js";

type Cluster = Awaited<ReturnType<typeof startPostgres15>>;

let folder: string;
let before: Cluster;
let after: Cluster;
let sandbox: Sandbox;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "user-mirror-backup-"));
  [before, after, sandbox] = await Promise.all([
    startPostgres15(),
    startPostgres15(),
    startSandbox({ users: 40, organizations: 3 }),
  ]);
}, 120_000);
afterAll(async () => {
  await Promise.all([sandbox.close(), before.remove(), after.remove()]);
  rmSync(folder, { recursive: true });
});

/** Runs a command of the page as it stands there, with these variables. */
async function documented(start: string, env: Record<string, string>) {
  const lines = readPage("docs/how-to/backup.md").snippets.flatMap(({ text }) => text.split("\n"));
  const [line, ...others] = lines.filter((one) => one.startsWith(start));
  expect(others).toEqual([]);
  await promisify(execFile)("sh", ["-ec", line ?? ""], {
    cwd: folder,
    env: { PATH: `${POSTGRES_15}:${process.env.PATH}`, ...env },
  });
}

const changesAfter = async (url: string, after: string) => {
  const response = await fetch(`${url}/mirror/changes?after=${after}`, {
    headers: { Authorization: "Bearer um_test" },
  });
  const body = (await response.json()) as {
    data: { id: string }[];
    next_cursor: string;
    errors?: { code: string }[];
  };
  return { status: response.status, ...body };
};

test("a dump that was taken while the mirror served is restored elsewhere, and the mirror heals what came after it", async () => {
  const first = await startMirror({ sandbox, databaseUrl: before.url });
  const key = await cli(before.url, ["keys", "create", "--name", "app", "--scope", "users:read"]);
  const early = await changesAfter(first.url, "now");
  const known = sandbox.clerk.createUser({ first_name: "Known to the dump" });
  await sandbox.webhooks.settle();
  await documented("pg_dump", { DATABASE_URL: before.url });
  const lost = sandbox.clerk.createUser({ first_name: "After the dump" });
  await sandbox.webhooks.settle();
  const late = await changesAfter(first.url, "now");
  await cli(before.url, ["keys", "revoke", "app"]);
  await first.stop();
  const deleted = String(sandbox.clerk.users()[0]?.id);
  sandbox.clerk.deleteUser(deleted);

  await documented("pg_restore", { NEW_DATABASE_URL: after.url });
  const second = await startMirror({ sandbox, databaseUrl: after.url });
  await second.mirror.leader.execute("full", { signal: AbortSignal.timeout(60_000) });

  await expectSame(second.url, sandbox);
  // A cursor from before the dump goes on: its reader misses neither what the dump has nor what was healed.
  const since = await changesAfter(second.url, early.next_cursor);
  expect(since.data.map(({ id }) => id)).toEqual(
    expect.arrayContaining([String(known.id), String(lost.id), deleted]),
  );
  // A cursor from after it belongs to a feed that is no more: its reader is told to copy anew.
  const gone = await changesAfter(second.url, late.next_cursor);
  expect([gone.status, gone.errors?.[0]?.code]).toEqual([410, "changes_expired"]);
  // Keys are as they were then: one that was revoked since is back.
  const listed = await fetch(`${second.url}/v1/users/count`, {
    headers: { Authorization: `Bearer ${key.value.key}` },
  });
  expect(listed.status).toBe(200);
  await expectAnnouncements(second.url);
  await second.stop();
}, 180_000);

/** Whoever listens hears of the next change, and `mirror_reader` may read it. */
async function expectAnnouncements(url: string) {
  const sql = postgres(after.url, { max: 2, onnotice: () => {} });
  const heard: string[] = [];
  await sql.listen("mirror_changes", (payload) => heard.push(payload));
  const user = sandbox.clerk.createUser({ first_name: "Announced" });
  await sandbox.webhooks.settle();
  await expect.poll(() => heard.join()).toContain(String(user.id));
  const [row] = await sql.begin(async (tx) => {
    await tx`set local role mirror_reader`;
    return tx`select first_name from mirror.users where id = ${String(user.id)}`;
  });
  expect(row?.first_name).toBe("Announced");
  await sql.end();
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
}
