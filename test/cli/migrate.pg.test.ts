import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { expect, test } from "vitest";
import { cli, runCli } from "../support/cli.js";
import { emptyDatabase } from "../support/database.js";

test("migrate says that the roles for readers are missing where its own role may not make them", async () => {
  const { url, drop } = await emptyDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const role = `weak_${randomBytes(6).toString("hex")}`;
  const weak = url.replace(/\/\/[^@]+@/, `//${role}:weak@`);
  try {
    await sql.unsafe(`create extension pg_trgm; create role ${role} login password 'weak';
      grant create on database ${new URL(url).pathname.slice(1)} to ${role}`);
    const { stdout, code } = await runCli(weak, ["migrate"]);
    expect([stdout, code]).toEqual([expect.stringContaining("`user-mirror migrate --print-grants`"), 0]);
    expect((await cli(weak, ["migrate"])).value).toEqual({ migrated: true, reader_roles: false });
    const granted = await cli(url, ["migrate", "--print-grants"]);
    // As a whole, which ends with its first error: other databases of this server have made the roles.
    await sql.unsafe(granted.value.sql);
    await sql.unsafe(granted.value.sql);
    expect((await runCli(weak, ["migrate"])).stdout).toBe("The database is up to date.\n");
  } finally {
    await sql.end();
    await drop();
    const cluster = postgres(url.replace(/\/[^/]*$/, "/postgres"), { max: 1 });
    await cluster.unsafe(`drop role if exists ${role}`);
    await cluster.end();
  }
});
