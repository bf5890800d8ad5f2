// Covers src/cli/user-queries.ts

import { once } from "node:events";
import { text } from "node:stream/consumers";
import { describe, expect } from "vitest";
import { applyItems } from "../../src/sync/apply/apply.js";
import { userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { runCli, startCli } from "../support/cli.js";
import { type TestDatabase, test } from "../support/database.js";

const people = [
  { id: "user_a", first_name: "Ann", last_name: "Smith", public_metadata: { plan: "pro" } },
  {
    id: "user_b",
    first_name: "Bob",
    last_name: null,
    public_metadata: { plan: "free", "a,b": { seen_at: 1e18 } },
  },
  {
    id: "user_c",
    first_name: "=cmd",
    last_name: "Cox",
    public_metadata: { plan: "pro" },
    private_metadata: { k: 1 },
  },
];

const fill = ({ sql }: TestDatabase) =>
  applyItems(
    sql,
    people.map((user, n) => ({
      users: [userSnapshot(clerkUser({ ...user, created_at: n + 1 }), "page", 1)],
    })),
    { lagMs: 60_000 },
  );

const users = ({ url }: TestDatabase, ...args: string[]) => runCli(url, ["users", ...args]);

// Each is a process of the command, which takes a while to start on a busy machine.
describe("users query", { timeout: 300_000 }, () => {
  test("shows a table for a filter in JSON, and JSON for one in SCIM", async ({ db }) => {
    await fill(db);
    const pro = '{"public_metadata.plan": "pro"}';
    const table = await users(
      db,
      "query",
      pro,
      "--fields",
      "id,name",
      "--order-by",
      "id",
      "--limit",
      "1",
      "--count",
    );
    expect(table).toMatchObject({ code: 0, stderr: "" });
    expect(table.stdout.split("\n").slice(0, 3)).toEqual([
      ...["ID      NAME", expect.stringMatching(/^user_a {2}Ann Smith$/), "2 in all"],
    ]);
    const [, cursor = ""] = /More: --cursor (\S+)/.exec(table.stdout) ?? [];
    const next = await users(
      db,
      "query",
      pro,
      "--fields",
      "id,name",
      "--order-by",
      "id",
      "--cursor",
      cursor,
      "--json",
    );
    expect(JSON.parse(next.stdout)).toMatchObject({ data: [{ id: "user_c" }], next_cursor: null });
    const scim = await users(db, "query", 'name.givenName eq "bob"', "--json");
    expect(JSON.parse(scim.stdout).data.map(({ id }: { id: string }) => id)).toEqual(["user_b"]);
  });

  test("takes fields and orders from an option that is there twice too", async ({ db }) => {
    await fill(db);
    const twice = ["--fields", "id", "--fields=public_metadata.plan", "--order-by=public_metadata.plan"];
    const { stdout } = await users(db, "query", ...twice, "--order-by=-id", "--json");
    expect(JSON.parse(stdout).data).toEqual([
      { id: "user_b", "public_metadata.plan": "free" },
      { id: "user_c", "public_metadata.plan": "pro" },
      { id: "user_a", "public_metadata.plan": "pro" },
    ]);
  });

  test("has a column for each field, whatever its path has in quotes, and takes no metadata for a time", async ({
    db,
  }) => {
    await fill(db);
    const fields = 'id,public_metadata."a,b".seen_at,created_at,id';
    const { code, stdout, stderr } = await users(db, "query", '{"id": "user_b"}', "--fields", fields);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
      ["ID", 'PUBLIC_METADATA."A,B".SEEN_AT', "CREATED_AT"],
      ["user_b", "1000000000000000000", "1970-01-01T00:00:00.002Z"],
      [""],
    ]);
  });

  test("says what is wrong with a filter, and what it takes to see private metadata", async ({ db }) => {
    const wrong = await users(db, "query", '{"emial_address": "a"}');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/^filter\.emial_address is not a field.*email_address\?\n$/);
    const hidden = await users(db, "query", '{"private_metadata.k": 1}');
    expect(hidden).toMatchObject({ code: 2, stderr: "Private metadata take the option --private.\n" });
  });
});

describe("users export", { timeout: 300_000 }, () => {
  test("prints everybody, a line each, with private metadata where it is asked for", async ({ db }) => {
    await fill(db);
    const { stdout } = await users(db, "export", "--private");
    const exported = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(exported.map(({ id }) => id)).toEqual(["user_a", "user_b", "user_c"]);
    expect(exported[2].private_metadata).toEqual({ k: 1 });
  });

  test("ends without a complaint when its reader leaves before everybody was printed", async ({ db }) => {
    const crowd = Array.from({ length: 200 }, (_, n) =>
      clerkUser({ id: `user_${n}`, first_name: "x".repeat(2000) }),
    );
    await applyItems(
      db.sql,
      crowd.map((user) => ({ users: [userSnapshot(user, "page", 1)] })),
      { lagMs: 0 },
    );
    const child = startCli(db.url, ["users", "export"]);
    child.stdout.once("data", () => child.stdout.destroy());
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
  });

  test("prints CSV that a spreadsheet doesn't run", async ({ db }) => {
    await fill(db);
    const { stdout } = await users(
      db,
      "export",
      'public_metadata.plan eq "pro"',
      "--csv",
      "--fields",
      "id,first_name",
    );
    expect(stdout).toBe("id,first_name\r\nuser_a,Ann\r\nuser_c,'=cmd\r\n");
  });
});
