import { expect } from "vitest";
import { createKeyUse } from "../../src/auth/key-use.js";
import { noteKeysUsed } from "../../src/db/api-keys.js";
import { silentLogger } from "../../src/observability/logger.js";
import { createKey, listKeys } from "../../src/operations/keys.js";
import { test } from "../support/database.js";

const WANTED = { scopes: ["users:read"], rate: null, inFlight: null };

test("the use of keys is written now and then, and at the end; times never go back", async ({ db }) => {
  const { orm } = db.database.primary;
  const [one, other] = [
    await createKey(orm, { name: "one", ...WANTED }),
    await createKey(orm, { name: "two", ...WANTED }),
  ];
  let nowMs = 1000;
  const write = (used: ReadonlyMap<string, number>) => noteKeysUsed(orm, used);
  const use = createKeyUse({ write, nowMs: () => nowMs, log: silentLogger(), everyMs: 5 });
  const stop = new AbortController();
  const running = use.run(stop.signal);
  const times = async () =>
    Object.fromEntries((await listKeys(orm)).map((key) => [key.name, key.last_used_at]));
  use.note(one.id);
  await expect.poll(times).toEqual({ one: 1000, two: null });
  nowMs = 500;
  use.note(one.id);
  use.note(other.id);
  use.note("key_of_nobody");
  stop.abort();
  await running;
  expect(await times()).toEqual({ one: 1000, two: 500 });
});

test("a minute whose use can't be written is left out, and ends nothing", async () => {
  let calls = 0;
  const write = async () => {
    calls++;
    throw new Error("away");
  };
  const use = createKeyUse({ write, nowMs: () => 1, log: silentLogger(), everyMs: 1 });
  const stop = new AbortController();
  const running = use.run(stop.signal);
  use.note("key_1");
  await expect.poll(() => calls).toBe(1);
  use.note("key_1");
  await expect.poll(() => calls).toBe(2);
  stop.abort();
  await running;
});
