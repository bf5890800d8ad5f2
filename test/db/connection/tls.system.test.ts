// Covers src/lib/connection/tls.ts, src/db/connection/driver.ts

import { execFile, execFileSync } from "node:child_process";
import { appendFileSync, chownSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createConnections } from "../../../src/db/connection/connections.js";
import { unprivilegedUser } from "../../../src/db/embedded/binaries.js";
import { completeConnection } from "../../../src/lib/connection/defaults.js";
import { formatConnectionString, parseConnectionString } from "../../../src/lib/connection/string.js";
import { startPostgres } from "../../support/external-postgres.js";
import { POSTGRES_15 } from "../../support/system-packages.js";

let folder: string;
let encrypted: Awaited<ReturnType<typeof startPostgres>>;
let plain: Awaited<ReturnType<typeof startPostgres>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "user-mirror-tls-"));
  for (const name of ["ca", "other"])
    openssl(
      `req -x509 -newkey rsa:2048 -nodes -subj /CN=${name} -days 2 -keyout ${name}.key -out ${name}.crt`,
    );
  sign("server", "/CN=elsewhere", "subjectAltName=DNS:localhost,DNS:*.example.com");
  sign("client", "/CN=certified", "subjectAltName=DNS:client");
  encrypted = await startPostgres(undefined, (data) => {
    for (const [from, to] of [
      ["server.crt", "server.crt"],
      ["server.key", "server.key"],
      ["ca.crt", "root.crt"],
    ] as const) {
      copyFileSync(join(folder, from), join(data, to));
      const user = unprivilegedUser();
      if (user) chownSync(join(data, to), user.uid, user.gid);
    }
    appendFileSync(join(data, "postgresql.auto.conf"), "ssl = on\nssl_ca_file = 'root.crt'\n");
    writeFileSync(
      join(data, "pg_hba.conf"),
      "hostssl all certified 127.0.0.1/32 cert\nhostssl all secretive 127.0.0.1/32 trust\n" +
        "hostnossl all open 127.0.0.1/32 trust\nhost all mirror 127.0.0.1/32 trust\n",
    );
  });
  plain = await startPostgres();
  const sql = createConnections(encrypted.url).open({ name: "user-mirror", max: 1, limitMs: 5000 });
  for (const name of ["certified", "secretive", "open"]) await sql.unsafe(`create role ${name} login`);
  await sql.end();
}, 120_000);
afterAll(async () => {
  await encrypted.remove();
  await plain.remove();
  rmSync(folder, { recursive: true });
});

function openssl(command: string): void {
  execFileSync("openssl", command.split(" "), { cwd: folder, stdio: "pipe" });
}

function sign(name: string, subject: string, extension: string): void {
  writeFileSync(join(folder, `${name}.ext`), `${extension}\n`);
  openssl(`req -newkey rsa:2048 -nodes -subj ${subject} -keyout ${name}.key -out ${name}.csr`);
  openssl(
    `x509 -req -in ${name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ${name}.ext -out ${name}.crt`,
  );
}

const QUESTION = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";

/** Whether the connection is encrypted; null when there is none. */
async function byMirror(text: string): Promise<{ ssl: boolean | null; reason: string }> {
  try {
    const values = completeConnection(parseConnectionString(text).values, { HOME: folder });
    const sql = createConnections(formatConnectionString(values)).open({
      ...{ name: "user-mirror", max: 1, limitMs: 5000, connectTimeout: 5 },
    });
    try {
      const [row] = await sql.unsafe(QUESTION);
      return { ssl: row?.ssl === true, reason: "" };
    } finally {
      await sql.end({ timeout: 1 });
    }
  } catch (error) {
    return { ssl: null, reason: error instanceof Error ? error.message : String(error) };
  }
}

async function byLibpq(text: string): Promise<boolean | null> {
  try {
    const args = ["-w", "-X", "-At", "-d", text, "-c", QUESTION];
    const { stdout } = await promisify(execFile)(join(POSTGRES_15, "psql"), args, { env: { HOME: folder } });
    return stdout.trim() === "t";
  } catch {
    return null;
  }
}

const filled = (template: string) =>
  template
    .replaceAll("FOLDER", folder)
    .replace("PLAIN", new URL(plain.url).port)
    .replace("PORT", new URL(encrypted.url).port);

const CA = "sslrootcert=FOLDER/ca.crt";
const OTHER = "sslrootcert=FOLDER/other.crt";

test.each([
  "postgres://mirror@127.0.0.1:PORT/mirror?sslmode=disable",
  "postgres://mirror@127.0.0.1:PORT/mirror?sslmode=allow",
  "postgres://mirror@127.0.0.1:PORT/mirror?sslmode=prefer",
  "postgres://mirror@127.0.0.1:PORT/mirror?sslmode=require",
  `postgres://mirror@127.0.0.1:PORT/mirror?sslmode=require&${CA}`,
  `postgres://mirror@127.0.0.1:PORT/mirror?sslmode=require&${OTHER}`,
  `postgres://mirror@127.0.0.1:PORT/mirror?sslmode=verify-ca&${CA}`,
  `postgres://mirror@127.0.0.1:PORT/mirror?sslmode=verify-ca&${OTHER}`,
  "postgres://mirror@127.0.0.1:PORT/mirror?sslmode=verify-ca",
  `postgres://mirror@localhost:PORT/mirror?sslmode=verify-full&${CA}`,
  `postgres://mirror@localhost:PORT/mirror?sslmode=verify-full&${OTHER}`,
  `postgres://mirror@127.0.0.1:PORT/mirror?sslmode=verify-full&${CA}`,
  `postgres://mirror@localhost:PORT/mirror?hostaddr=127.0.0.1&sslmode=verify-full&${CA}`,
  `postgres://mirror@db.example.com:PORT/mirror?hostaddr=127.0.0.1&sslmode=verify-full&${CA}`,
  `postgres://mirror@example.com:PORT/mirror?hostaddr=127.0.0.1&sslmode=verify-full&${CA}`,
  `postgres://mirror@elsewhere:PORT/mirror?hostaddr=127.0.0.1&sslmode=verify-full&${CA}`,
  `postgres://mirror@127.0.0.1:1,localhost:PORT/mirror?sslmode=verify-full&${CA}`,
  "postgres://mirror@127.0.0.1:PORT/mirror?sslmode=verify-full&sslrootcert=FOLDER/missing.crt",
  "postgres://secretive@127.0.0.1:PORT/mirror?sslmode=allow",
  "postgres://secretive@127.0.0.1:PORT/mirror?sslmode=prefer",
  "postgres://secretive@127.0.0.1:PORT/mirror?sslmode=disable",
  "postgres://open@127.0.0.1:PORT/mirror",
  "postgres://open@127.0.0.1:PORT/mirror?sslmode=require",
  "postgres://nobody@127.0.0.1:PORT/mirror?sslmode=allow",
  "postgres://certified@127.0.0.1:PORT/mirror?sslmode=require",
  "postgres://certified@127.0.0.1:PORT/mirror?sslmode=require&sslcert=FOLDER/client.crt&sslkey=FOLDER/client.key",
  "postgres://mirror@127.0.0.1:PLAIN/mirror?sslmode=require",
  "postgres://mirror@127.0.0.1:PLAIN/mirror?sslmode=prefer",
  "postgres://mirror@127.0.0.1:PLAIN/mirror?sslmode=allow",
  `postgres://mirror@127.0.0.1:PLAIN/mirror?sslmode=verify-ca&${CA}`,
])("connects by %s as libpq does", async (template) => {
  const text = filled(template);
  const { ssl, reason } = await byMirror(text);
  expect({ ssl, reason }).toMatchObject({ ssl: await byLibpq(text) });
  expect(reason).not.toBe("undefined");
});

test("encrypts what Neon's console prints, although channels aren't bound", async () => {
  const text = filled("postgres://mirror@127.0.0.1:PORT/mirror?sslmode=require&channel_binding=require");
  expect(await byMirror(text)).toEqual({ ssl: true, reason: "" });
});

test("asks a server on this machine for TLS only where the string does", async () => {
  expect(await byMirror(filled("postgres://mirror@127.0.0.1:PORT/mirror"))).toEqual({
    ssl: false,
    reason: "",
  });
  const { reason } = await byMirror(filled("postgres://secretive@127.0.0.1:PORT/mirror"));
  expect(reason).toMatch(/no encryption/);
});

test("talks TLS from the first byte where that is asked for, to servers that know it", async () => {
  const text = filled("postgres://mirror@127.0.0.1:PORT/mirror?sslmode=require&sslnegotiation=direct");
  expect(await byMirror(text)).toEqual({ ssl: true, reason: "" });
});

test("trusts public authorities alone under sslrootcert=system", async () => {
  const text = filled("postgres://mirror@localhost:PORT/mirror?sslrootcert=system");
  expect(await byMirror(text)).toMatchObject({ ssl: null, reason: expect.stringMatching(/certificate/) });
});

test("says that a server offers no TLS, and whose certificate it is", async () => {
  const none = await byMirror(filled("postgres://mirror@127.0.0.1:PLAIN/mirror?sslmode=require"));
  expect(none.reason).toMatch(/offers no TLS/);
  const other = await byMirror(filled(`postgres://mirror@127.0.0.1:PORT/mirror?sslmode=verify-full&${CA}`));
  expect(other.reason).toMatch(/127\.0\.0\.1.*cert/i);
});
