// Covers src/cli/changes.ts

import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { describe, expect } from "vitest";
import { applyItems } from "../../src/sync/apply/apply.js";
import { userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { startCli } from "../support/cli.js";
import { type TestDatabase, test } from "../support/database.js";

const store = ({ sql }: TestDatabase, ...ids: string[]) =>
  applyItems(
    sql,
    ids.map((id) => ({ users: [userSnapshot(clerkUser({ id }), "page", 1)] })),
    { lagMs: 60_000 },
  );

function run({ url }: TestDatabase, ...args: string[]) {
  const child = startCli(url, ["changes", ...args]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, lines, error: text(child.stderr) };
}

async function rest({ child, lines, error }: ReturnType<typeof run>) {
  const exited = once(child, "exit");
  const found: string[] = [];
  for (let line = await lines.next(); !line.done; line = await lines.next()) found.push(line.value);
  const [code] = await exited;
  return { code, found, error: await error };
}

// Several processes of the command, each of which takes a while to start on a busy machine.
describe("changes", { timeout: 300_000 }, () => {
  test("prints what is there, for people and for programs, and goes on behind a cursor", async ({ db }) => {
    await store(db, "user_a", "user_b");
    const people = await rest(run(db));
    expect(people).toMatchObject({ code: 0, error: "" });
    expect(people.found).toEqual([
      expect.stringMatching(/^20\S+Z {2}user\.upserted +user_a$/),
      expect.stringMatching(/^20\S+Z {2}user\.upserted +user_b$/),
    ]);
    const [first, second] = (await rest(run(db, "--json", "--types", "user"))).found.map((line) =>
      JSON.parse(line),
    );
    expect(first).toMatchObject({ type: "user.upserted", id: "user_a" });
    const behind = await rest(run(db, "--json", "--after", first.cursor));
    expect(behind.found.map((line) => JSON.parse(line))).toEqual([second]);
    expect((await rest(run(db, "--types", "organization"))).found).toEqual([]);
  });

  test("prints every kind that is named, in one option or in several", async ({ db }) => {
    await store(db, "user_a");
    const twice = ["--types", "user", "--types", "organization,membership"];
    expect((await rest(run(db, ...twice))).found).toEqual([expect.stringMatching(/user_a$/)]);
  });

  test("follows what comes until it is interrupted", async ({ db }) => {
    await store(db, "user_a");
    const following = run(db, "--follow", "--json");
    expect(JSON.parse((await following.lines.next()).value)).toMatchObject({ id: "user_a" });
    await store(db, "user_b");
    expect(JSON.parse((await following.lines.next()).value)).toMatchObject({ id: "user_b" });
    following.child.kill("SIGINT");
    expect(await rest(following)).toMatchObject({ code: 0, found: [], error: "" });
  });

  test.for([
    [["--types", "users"], 2, /--types takes user, organization, membership/],
    [["--after", "yesterday"], 2, /--after takes start, now, or a cursor/],
  ] as const)("%j ends with %i and says what would be right", async ([args, code, message], { db }) => {
    const ended = await rest(run(db, ...args));
    expect(ended).toMatchObject({ code, found: [] });
    expect(ended.error).toMatch(message);
  });
});
