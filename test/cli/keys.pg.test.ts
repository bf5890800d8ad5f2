// Covers src/cli/{keys,options}.ts

import { describe, expect } from "vitest";
import { cli } from "../support/cli.js";
import { test } from "../support/database.js";

// Each is a process of the command, which takes a while to start on a busy machine.
describe("keys create", { timeout: 300_000 }, () => {
  test.for([
    [
      ["--scope", "users:read", "--scope", "changes:read"],
      ["users:read", "changes:read"],
    ],
    [
      ["--scope", "users:read,users:write", "--scope=changes:read"],
      ["users:read", "users:write", "changes:read"],
    ],
    [
      ["--scope", "admin, proxy"],
      ["admin", "proxy"],
    ],
  ])("%j makes a key with the scopes %j", async ([args = [], scopes], { db }) => {
    const made = await cli(db.url, ["keys", "create", "--name", "k", ...args]);
    expect(made).toMatchObject({ code: 0, value: { scopes } });
    expect((await cli(db.url, ["keys", "list"])).value).toMatchObject([{ name: "k", scopes }]);
  });
});
