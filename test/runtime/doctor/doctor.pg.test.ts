// Covers src/runtime/doctor/, src/cli/doctor.ts

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, describe, expect, inject } from "vitest";
import { checkMachine } from "../../../src/runtime/doctor/machine.js";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { cli, runCli } from "../../support/cli.js";
import { emptyDatabase, test } from "../../support/database.js";
import { startMirror, WEBHOOK_SECRET } from "../../support/mirror.js";

interface Finding {
  name: string;
  status: string;
  message: string;
  fix?: string;
}

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox({ users: 7 });
});
afterAll(() => sandbox.close());

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A well set-up environment without a server, unless `env` says otherwise. */
const wellEnv = () => ({
  CLERK_SECRET_KEY: sandbox.secretKey,
  CLERK_API_URL: sandbox.url,
  CLERK_WEBHOOK_SIGNING_SECRET: WEBHOOK_SECRET,
  PORT: "0",
});

async function doctor(databaseUrl: string, env: Record<string, string> = {}, args: string[] = []) {
  const { code, value, stderr } = await cli(databaseUrl, ["doctor", ...args], { ...wellEnv(), ...env });
  expect(stderr).toBe("");
  expect(code).toBe(value.ok ? 0 : 1);
  return value.checks as Finding[];
}

/** What it says is wrong: exactly this, and what to do about it. */
function expectFailed(checks: readonly Finding[], name: string, message: RegExp, fix: RegExp): void {
  const failed = checks.filter(({ status }) => status === "failed");
  expect(failed).toEqual([
    { name, status: "failed", message: expect.stringMatching(message), fix: expect.stringMatching(fix) },
  ]);
}

async function listening<S extends Server>(server: S): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function standIn(handler: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listening(createHttpServer(handler))}`;
}

const closedPort = async () => {
  const server = createServer();
  const port = await listening(server);
  server.close();
  return port;
};

/** A database of its own, made with these words, and prepared by its administrator. */
async function database(options: string, prepare = ""): Promise<{ url: string; name: string }> {
  const name = `doctor_${randomBytes(6).toString("hex")}`;
  const cluster = postgres(inject("clusterUrl"), { max: 1, onnotice: () => {} });
  await cluster.unsafe(`create database ${name} ${options}`);
  if (prepare) await cluster.unsafe(prepare.replaceAll("$name", name));
  ends.push(async () => {
    await cluster.unsafe(`drop database ${name} with (force)`);
    await cluster.end();
  });
  return { url: inject("clusterUrl").replace(/\/[^/]*$/, `/${name}`), name };
}

describe("doctor", { timeout: 120_000 }, () => {
  test("finds nothing wrong beside a mirror that runs, and sends it a signed event", async ({ db }) => {
    const server = await startMirror({ sandbox, databaseUrl: db.url });
    ends.push(() => server.stop());
    const checks = await doctor(db.url, { PORT: new URL(server.url).port });
    expect(checks.filter(({ status }) => status === "failed")).toEqual([]);
    expect(checks.find(({ name }) => name === "webhook")?.message).toContain(
      `the mirror at ${server.url} takes`,
    );
    expect(checks.find(({ name }) => name === "clerk instance")?.message).toContain(
      "whose users this mirror holds",
    );
    const [delivery] =
      await db.sql`select type, outcome from mirror_data.deliveries where message_id like 'msg_doctor%'`;
    expect(delivery).toEqual({ type: "user_mirror.doctor", outcome: "ignored" });

    const behind = await doctor(db.url, { PORT: "1" }, ["--url", `${server.url}/`]);
    expect(behind.find(({ name }) => name === "webhook")).toMatchObject({ status: "ok" });
    const text = await runCli(db.url, ["doctor"], wellEnv());
    expect(text.stdout).toMatch(/^ok {7}configuration: .*\nNothing is wrong\.\n$/s);
  });

  test("finds nothing wrong before the first start, and changes nothing in the database", async () => {
    const { url, drop } = await emptyDatabase();
    ends.push(drop);
    const checks = await doctor(url);
    expect(checks.map(({ name, status }) => `${status} ${name}`)).toEqual([
      ...["ok configuration", "ok node", "skipped disk", "skipped /dev/shm"],
      ...["ok database", "ok database version and encoding", "ok database extension", "ok database rights"],
      ...["ok database connections", "ok database pooler", "ok database clock"],
      ...["ok clerk key", "ok clerk clock", "ok clerk instance", "ok webhook"],
    ]);
    const sql = postgres(url, { max: 1 });
    expect(await sql`select from pg_namespace where nspname like 'mirror%'`).toHaveLength(0);
    await sql.end();
  });
});

describe("doctor names what is wrong and what to do", { timeout: 120_000 }, () => {
  test("where the key of Clerk is missing", async ({ db }) => {
    const checks = await doctor(db.url, { CLERK_SECRET_KEY: "" });
    expectFailed(checks, "configuration", /CLERK_SECRET_KEY is not set/, /config --explain/);
  });

  test("where variables can't be read, all at once", async ({ db }) => {
    const checks = await doctor(db.url, { PURGE_LIMIT: "5", RECONCILE_INTERVAL: "60" });
    expectFailed(
      checks,
      "configuration",
      /RECONCILE_INTERVAL must be .*\nPURGE_LIMIT must be/,
      /config --explain/,
    );
  });

  test("where Clerk refuses the key", async ({ db }) => {
    const checks = await doctor(db.url, { CLERK_SECRET_KEY: "sk_test_wrong" });
    expectFailed(checks, "clerk key", /Clerk refuses CLERK_SECRET_KEY \(401\)/, /Copy the secret key again/);
  });

  test("where Clerk can't be reached", async ({ db }) => {
    const checks = await doctor(db.url, { CLERK_API_URL: `http://127.0.0.1:${await closedPort()}` });
    expectFailed(checks, "clerk key", /ECONNREFUSED/, /reach CLERK_API_URL/);
  });

  test("where CLERK_API_URL leads to something else", async ({ db }) => {
    const url = await standIn((_, response) => response.writeHead(404).end("no such page"));
    expectFailed(
      await doctor(db.url, { CLERK_API_URL: url }),
      "clerk key",
      /isn't Clerk's API: it answers 404/,
      /Leave CLERK_API_URL out/,
    );
  });

  test("where this machine's clock goes wrong", async ({ db }) => {
    const url = await standIn((_, response) => {
      response.writeHead(200, { date: new Date(Date.now() + 600_000).toUTCString() });
      response.end('{"total_count":1}');
    });
    expectFailed(
      await doctor(db.url, { CLERK_API_URL: url }),
      "clerk clock",
      /clock is (599|600|601) s behind Clerk's/,
      /chrony/,
    );
  });

  test("where the key is of another instance than webhooks are taken from", async ({ db }) => {
    const checks = await doctor(db.url, { CLERK_INSTANCE_ID: "ins_other" });
    expectFailed(
      checks,
      "clerk instance",
      /CLERK_INSTANCE_ID is ins_other.*every webhook would be refused/,
      new RegExp(sandbox.instanceId),
    );
  });

  test("where the mirror holds the users of another Clerk", async ({ db }) => {
    await db.sql`
      insert into mirror_data.upstream (api_url, environment) values ('https://clerk.example', 'test')`;
    expectFailed(await doctor(db.url), "clerk instance", /holds the users of another Clerk.*rebuild/, /./);
  });

  test("where the mirror was filled under another field policy", async ({ db }) => {
    await db.sql`
      insert into mirror_data.upstream (api_url, environment) values (${sandbox.url}, 'test')`;
    const checks = await doctor(db.url, { FIELD_POLICY: "drop username" });
    expectFailed(checks, "clerk instance", /another FIELD_POLICY.*rebuild/, /./);
  });

  test("where nothing listens at DATABASE_URL", async () => {
    const checks = await doctor(`postgres://mirror@127.0.0.1:${await closedPort()}/mirror`);
    expectFailed(checks, "database", /can't be reached: .*ECONNREFUSED/, /start Postgres/);
    expect(checks.find(({ name }) => name === "clerk key")?.status).toBe("ok");
  });

  test("where something listens at DATABASE_URL and says nothing", async () => {
    const sockets = createServer((socket) => ends.push(() => socket.destroy()));
    const checks = await doctor(`postgres://mirror@127.0.0.1:${await listening(sockets)}/mirror`);
    expectFailed(checks, "database", /CONNECT_TIMEOUT|no answer within/, /psql "\$DATABASE_URL"/);
  });

  test("where the database isn't there", async ({ db }) => {
    const checks = await doctor(db.url.replace(/\/[^/]*$/, "/nobody_made_it"));
    expectFailed(checks, "database", /database "nobody_made_it" does not exist/, /CREATE DATABASE/);
  });

  test("where the database has another encoding", async () => {
    const { url } = await database("encoding 'LATIN1' locale 'C' locale_provider libc template template0");
    expectFailed(
      await doctor(url),
      "database version and encoding",
      /encoded in LATIN1.*CREATE DATABASE/,
      /./,
    );
  });

  test("where the database refuses the password", async ({ db }) => {
    const url = new URL(db.url);
    url.password = "wrong";
    const checks = await doctor(url.href);
    expectFailed(checks, "database", /can't be reached: password authentication failed/, /Mend the password/);
  });

  test("where the server doesn't have the extension", async () => {
    const { url } = await database("template template0");
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    // As on a server without Debian's postgresql-contrib.
    await sql.unsafe(`
      set allow_system_table_mods = on;
      create or replace view pg_catalog.pg_available_extensions as
      select e.name, e.default_version, null::text collate "C" as installed_version, e.comment
      from pg_available_extensions() as e (name, default_version, comment) where e.name <> 'pg_trgm'`);
    await sql.end();
    expectFailed(
      await doctor(url),
      "database extension",
      /pg_trgm isn't available on this server/,
      /postgresql-contrib/,
    );
  });

  test("where the role may not make its schema", async () => {
    const { url, name } = await database(
      "template template0",
      "create role \"doctors_patient\" login password 'secret'",
    );
    const cluster = postgres(inject("clusterUrl"), { max: 1 });
    ends.splice(0, 0, async () => {
      await cluster.unsafe("drop role doctors_patient");
      await cluster.end();
    });
    const theirs = new URL(url);
    [theirs.username, theirs.password] = ["doctors_patient", "secret"];
    expectFailed(
      await doctor(theirs.href),
      "database rights",
      /the role doctors_patient may not make its schema/,
      new RegExp(`GRANT CREATE ON DATABASE ${name} TO doctors_patient`),
    );
  });

  test("where the database can only be read", async () => {
    const { url } = await database(
      "template template0",
      "alter database $name set default_transaction_read_only = on",
    );
    expectFailed(await doctor(url), "database rights", /can only be read/, /primary's address/);
  });

  test("where the pool is larger than the server takes", async ({ db }) => {
    const checks = await doctor(db.url, { DATABASE_POOL_MAX: "1000" });
    expectFailed(checks, "database connections", /asks for 1000 of them/, /Set DATABASE_POOL_MAX to less/);
  });

  test("where the mirror that runs has another signing secret", async ({ db }) => {
    const server = await startMirror({ sandbox, databaseUrl: db.url });
    ends.push(() => server.stop());
    const other = `whsec_${Buffer.from("another one").toString("base64")}`;
    const checks = await doctor(db.url, {
      PORT: new URL(server.url).port,
      CLERK_WEBHOOK_SIGNING_SECRET: `${WEBHOOK_SECRET} ${other}`,
    });
    expectFailed(
      checks,
      "webhook, secret 2",
      /answers 400: .*can't be verified/,
      /the same CLERK_WEBHOOK_SIGNING_SECRET/,
    );
  });

  test("where something else listens on the mirror's port", async ({ db }) => {
    const url = await standIn((_, response) => response.writeHead(404).end("a shop"));
    const checks = await doctor(db.url, { PORT: new URL(url).port });
    expectFailed(checks, "webhook", /webhooks\/clerk answers 404/, /Something else than the mirror listens/);
  });

  test("where --url leads nowhere", async ({ db }) => {
    const checks = await doctor(db.url, {}, ["--url", `http://127.0.0.1:${await closedPort()}`]);
    expectFailed(
      checks,
      "webhook",
      /can't be reached: .*ECONNREFUSED/,
      /Start the mirror, or mend the address/,
    );
  });

  test("where DATA_DIR can't hold the embedded Postgres", async () => {
    const folder = mkdtempSync(join(tmpdir(), "doctor-"));
    ends.push(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "file"), "");
    const checks = await doctor("", { DATA_DIR: join(folder, "file") });
    expectFailed(
      checks,
      "database",
      /DATA_DIR can't be used for the embedded Postgres/,
      /must be a folder that this user may write/,
    );
  });

  test.each([
    ["/nowhere/shm", /isn't there/],
    ["/proc", /0 MiB of 0 MiB free/],
  ])("where Postgres has its shared memory in %s", async (sharedMemory, message) => {
    const found = await checkMachine({ dataDir: tmpdir(), embedded: true, sharedMemory });
    expect(found.find(({ name }) => name === "/dev/shm")).toEqual({
      ...{ name: "/dev/shm", status: "failed" },
      ...{ message: expect.stringMatching(message), fix: expect.stringContaining("--shm-size") },
    });
  });
});
