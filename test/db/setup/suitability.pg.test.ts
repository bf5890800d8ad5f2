import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import postgres from "postgres";
import { afterEach, describe, expect, inject, test } from "vitest";
import { migrateDatabase } from "../../../src/db/setup/migrate.js";
import { refuseUnsuitableDatabase } from "../../../src/db/setup/suitability.js";

const drops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const drop of drops.splice(0)) await drop();
});

/** A database of its own, made with these words. */
async function database(options: string): Promise<{ url: string; sql: postgres.Sql; name: string }> {
  const name = `odd_${randomBytes(6).toString("hex")}`;
  const cluster = postgres(inject("clusterUrl"), { max: 1, onnotice: () => {} });
  await cluster.unsafe(`create database ${name} ${options}`);
  const url = inject("clusterUrl").replace(/\/[^/]*$/, `/${name}`);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  drops.push(async () => {
    await sql.end();
    await cluster.unsafe(`drop database ${name} with (force)`);
    await cluster.end();
  });
  return { url, sql, name };
}

const refusalOf = (url: string) =>
  migrateDatabase({ url }).then(
    () => "taken",
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  );

describe("a database that can't hold the mirror is refused with the reason and the way out", () => {
  test.each(["SQL_ASCII", "LATIN1"])("when it is encoded in %s", async (encoding) => {
    const { url } = await database(
      `encoding '${encoding}' locale 'C' locale_provider libc template template0`,
    );
    expect(await refusalOf(url)).toMatch(
      new RegExp(`^configuration: DATABASE_URL .*${encoding}.*CREATE DATABASE`),
    );
  });

  test.each([
    ["14.9", 140_009, /is PostgreSQL 14\.9; User Mirror needs 15 or later/],
    ["15.0", 150_000, null],
  ])("when the server is PostgreSQL %s, if that is too old", async (version, number, refusal) => {
    const { sql } = await database("template template0");
    // No such server is at hand, so that one says that it is.
    const saysSo = ((text: TemplateStringsArray) =>
      text.join("").includes("server_version")
        ? [{ version, number, encoding: "UTF8" }]
        : sql(text)) as never;
    const checked = refuseUnsuitableDatabase(saysSo);
    if (refusal)
      await expect(checked).rejects.toMatchObject({
        code: "configuration",
        message: expect.stringMatching(refusal),
      });
    else await checked;
  });

  test.each(["mirror", "mirror_data"])(
    "when the schema %s is somebody else's, which stays as it is",
    async (schema) => {
      const { url, sql } = await database("template template0");
      await sql.unsafe(`create schema ${schema}; create table ${schema}.users (mine int)`);
      expect(await refusalOf(url)).toMatch(
        new RegExp(
          `^configuration: The database of DATABASE_URL has a schema ${schema} that isn't User Mirror's: users`,
        ),
      );
      expect(await sql.unsafe(`select * from ${schema}.users`)).toEqual([]);
    },
  );

  test("but not when a DBA has made the schemas, empty", async () => {
    const { url, sql } = await database("template template0");
    await sql.unsafe("create schema mirror; create schema mirror_data");
    expect(await refusalOf(url)).toBe("taken");
  });

  test("when its tables belong to another role", async () => {
    const { url, sql, name } = await database("template template0");
    await migrateDatabase({ url });
    await sql.unsafe(`create role ${name} login password 'weak'`);
    drops.unshift(() => sql.unsafe(`drop owned by ${name}; drop role ${name}`));
    expect(await refusalOf(url.replace(/\/\/[^@]+@/, `//${name}:weak@`))).toMatch(
      /^configuration: .*DATABASE_URL.*permission denied/,
    );
  });

  test("when it doesn't exist, nobody listens, or the password is wrong", async () => {
    const url = inject("clusterUrl");
    expect(await refusalOf(url.replace(/\/[^/]*$/, "/nowhere"))).toMatch(
      /^configuration: .*"nowhere" does not exist/,
    );
    expect(await refusalOf(url.replace(/:[^:@]+@/, ":hush@"))).toMatch(
      /^configuration: (?!.*hush).*password/,
    );
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    await new Promise((resolve) => server.close(resolve));
    expect(await refusalOf(`postgres://u:hush@localhost:${port}/d`)).toMatch(
      /^configuration: (?!.*hush).*ECONNREFUSED.*DATABASE_URL/,
    );
  });
});
