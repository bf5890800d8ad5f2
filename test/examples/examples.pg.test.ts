// Covers src/client/client.ts

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import Database from "libsql";
import { afterEach, beforeEach, describe, expect } from "vitest";
import { createNearCache } from "../../examples/near-cache.js";
import { createMirrorClient, type User } from "../../src/client/client.js";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { type TestDatabase, test } from "../support/database.js";
import { killHard, startMirror } from "../support/mirror.js";

let sandbox: Sandbox;
let server: RunningServer;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "examples-"));
  sandbox = await startSandbox({ users: 120, organizations: 3 });
});

afterEach(async () => {
  await server.stop();
  await sandbox.close();
  await rm(folder, { recursive: true });
});

const start = async ({ url }: TestDatabase) => {
  server = await startMirror({ sandbox, databaseUrl: url, env: { RECONCILE_INTERVAL: "0" } });
  return createMirrorClient({ baseUrl: server.url, apiKey: "um_test" });
};

/** An example as a process of its own, and what it prints. */
function run(
  example: string,
  args: readonly string[],
): { child: ChildProcess; lines: AsyncIterable<string> } {
  const child = spawn(process.execPath, ["--import", "tsx", `examples/${example}`, ...args], {
    env: { PATH: process.env.PATH ?? "", MIRROR_URL: server.url, MIRROR_API_KEY: "um_test" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (!child.stdout) throw new Error("no output");
  return { child, lines: createInterface({ input: child.stdout }) };
}

async function linesOf({ child, lines }: ReturnType<typeof run>): Promise<string[]> {
  const exited = once(child, "exit");
  const found: string[] = [];
  for await (const line of lines) found.push(line);
  expect(await exited).toEqual([0, null]);
  return found;
}

const rename = (id: string, first_name: string) =>
  fetch(`${server.url}/v1/users/${id}`, {
    method: "PATCH",
    headers: { authorization: `Bearer ${sandbox.secretKey}`, "content-type": "application/json" },
    body: JSON.stringify({ first_name }),
  });
const remove = (id: string) =>
  fetch(`${server.url}/v1/users/${id}`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${sandbox.secretKey}` },
  });
const idsInClerk = () =>
  sandbox.clerk
    .users()
    .map(({ id }) => String(id))
    .sort();

describe("the near-cache", () => {
  test("answers from memory, forgets what changes, and holds no more than it may", async ({ db }) => {
    const mirror = await start(db);
    const stop = new AbortController();
    const cache = await createNearCache(mirror, { most: 2, signal: stop.signal });
    const [a = "", b = "", c = ""] = idsInClerk();
    const first = await cache.get(a);
    expect(await cache.get(a)).toBe(first);
    await rename(a, "Renamed");
    await expect.poll(async () => (await cache.get(a))?.first_name).toBe("Renamed");
    await remove(a);
    await expect.poll(() => cache.get(a)).toBeNull();
    for (const id of [b, c, ...idsInClerk().slice(5, 9)]) await cache.get(id);
    expect(cache.size()).toBe(2);
    stop.abort();
  });

  test("runs as a program", async ({ db }) => {
    await start(db);
    const [id = ""] = idsInClerk();
    expect(await linesOf(run("near-cache.ts", [id]))).toEqual([
      expect.stringContaining("from the mirror"),
      expect.stringContaining("from memory"),
    ]);
  });
});

describe("the spreadsheet", () => {
  test("is written whole, with whom the filter keeps", async ({ db }) => {
    const mirror = await start(db);
    const file = join(folder, "users.csv");
    const { totalCount } = await mirror.users.query({ filter: { banned: false }, count: true });
    expect(await linesOf(run("spreadsheet.ts", [file, "banned eq false"]))).toEqual([`${file} is written`]);
    const rows = (await readFile(file, "utf8")).split("\r\n");
    expect(rows[0]).toBe(
      "id,first_name,last_name,email_address,email_domain,public_metadata.plan,created_at",
    );
    expect(rows.filter((row) => row.startsWith("user_"))).toHaveLength(totalCount ?? -1);
    expect(await readdir(folder)).toEqual(["users.csv"]);
  });
});

describe("the application with orders of its own", () => {
  test("joins them with users, memberships and the deleted, in its own Drizzle project", async ({ db }) => {
    await start(db);
    const orders = async (...args: string[]) => {
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ["--import", "tsx", "examples/orders/main.ts", ...args],
        { env: { PATH: process.env.PATH ?? "", DATABASE_URL: db.url } },
      );
      return stdout === "" ? null : JSON.parse(stdout);
    };
    const [member] = await db.sql<{ user_id: string; organization_id: string }[]>`
      select user_id, organization_id from mirror.organization_memberships m
      where not exists (select from mirror.organization_memberships o where o.user_id = m.user_id and o.id <> m.id) limit 1`;
    const [user] = await db.sql`
      select email_address as email, public_metadata->>'plan' as plan from mirror.users where id = ${member?.user_id ?? ""}`;
    const [other = ""] = idsInClerk().filter((id) => id !== member?.user_id);
    await orders("order", member?.user_id ?? "", "40");
    await orders("order", member?.user_id ?? "", "2");
    await orders("order", other, "7");
    await remove(other);
    expect(await orders("report")).toEqual({
      best: [{ ...user, paid: 42 }],
      organizations: [{ organization: member?.organization_id, orders: 2, paid: 42 }],
      ofNobody: [{ order: 3, user: other }],
    });
  });
});

/** What counts down by itself is told anew only when something changes. */
const withoutClock = (user: User): User => ({ ...user, lockout_expires_in_seconds: null });

describe("the copy in SQLite", () => {
  /** Everybody in the file, as they were stored. */
  function copied(file: string): Map<string, User> {
    const db = new Database(file, { readonly: true });
    try {
      return new Map(
        (db.prepare("select id, data from users").all() as { id: string; data: string }[]).map(
          ({ id, data }) => [String(id), withoutClock(JSON.parse(String(data)))],
        ),
      );
    } finally {
      db.close();
    }
  }

  test("equals the mirror after changes, a kill -9, and what happened meanwhile", async ({ db }) => {
    const mirror = await start(db);
    const file = join(folder, "users.sqlite");
    const [renamed = "", removed = "", renamedLater = "", removedLater = ""] = idsInClerk();

    const first = run("sqlite-copy.ts", [file]);
    const lines = first.lines[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe("saved 120 users");
    await rename(renamed, "Renamed");
    await remove(removed);
    await killHard(first.child);

    await rename(renamedLater, "Later");
    await remove(removedLater);
    const second = run("sqlite-copy.ts", [file]);
    const exited = once(second.child, "exit");
    // It saves with the next bookmark at the latest.
    for await (const line of second.lines) if (line === "saved 118 users") break;
    second.child.kill("SIGTERM");
    await exited;

    const users = new Map<string, User>();
    for await (const user of mirror.users.export()) users.set(user.id, withoutClock(user));
    expect(copied(file)).toEqual(users);
    expect([...users.keys()].sort()).toEqual(idsInClerk());
  });
});
