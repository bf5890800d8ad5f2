import { describe, expect, test } from "vitest";
import { createAuthenticator } from "../../src/auth/keys.js";
import { createStoredKeys, newKey, withStoredKeys } from "../../src/auth/stored-keys.js";
import type { ApiKey } from "../../src/db/api-keys.js";

const UNLIMITED = { rate: null, inFlight: null };

/** Stored keys over a table in memory and a clock that the test moves. */
function stand() {
  const table = new Map<string, ApiKey>();
  const state = { nowMs: 0, lookups: 0, isAway: false, held: Promise.resolve() };
  const keys = createStoredKeys({
    now: () => state.nowMs,
    async findMany(digests) {
      state.lookups++;
      if (state.isAway) throw new Error("connection refused");
      await state.held;
      return new Map(digests.flatMap((digest) => [...table].filter(([known]) => known === digest)));
    },
  });
  const environment = createAuthenticator({
    secretKey: "sk_test_1",
    mirrorApiKey: null,
    acceptClerkSecretKey: true,
  });
  const authenticate = withStoredKeys(environment, keys);
  const made = newKey();
  table.set(made.digest, {
    id: made.id,
    name: "app",
    scopes: ["users:read", "gone"],
    ...UNLIMITED,
    createdAtMs: 0,
    revokedAtMs: null,
    lastUsedAtMs: null,
  });
  const bearer = (key = made.key) => Promise.resolve(authenticate(`Bearer ${key}`));
  return { table, state, made, bearer, authenticate };
}

describe("a stored key", () => {
  test("has its own scopes, and no word that is none", async () => {
    const { bearer } = stand();
    const principal = await bearer();
    expect([principal.name, [...principal.scopes]]).toEqual(["app", ["users:read"]]);
  });

  test("is looked up once for all who ask at the same time, and seldom after that", async () => {
    const { bearer, state } = stand();
    await Promise.all([bearer(), bearer(), bearer()]);
    await bearer();
    expect(state.lookups).toBe(1);
    state.nowMs += 501;
    await bearer();
    expect(state.lookups).toBe(2);
  });

  test("is refused within a second of its revocation, and a new one is taken at once", async () => {
    const { bearer, state, table, made } = stand();
    await bearer();
    table.delete(made.digest);
    state.nowMs += 1000;
    await expect(bearer()).rejects.toMatchObject({ clerkCode: "clerk_key_invalid" });
    const other = newKey();
    await expect(bearer(other.key)).rejects.toMatchObject({ code: "unauthenticated" });
    table.set(other.digest, {
      id: other.id,
      name: "b",
      scopes: ["admin"],
      ...UNLIMITED,
      createdAtMs: 0,
      revokedAtMs: null,
      lastUsedAtMs: null,
    });
    state.nowMs += 501;
    expect((await bearer(other.key)).name).toBe("b");
  });

  test("goes on for five minutes while the database is away; others are told that nobody can tell", async () => {
    const { bearer, state } = stand();
    await bearer();
    state.isAway = true;
    state.nowMs += 299_000;
    expect((await bearer()).name).toBe("app");
    await expect(bearer(newKey().key)).rejects.toMatchObject({ code: "database_unavailable" });
    state.nowMs += 2000;
    await expect(bearer()).rejects.toMatchObject({ code: "database_unavailable" });
  });

  test("is taken from its first request on, whatever was tried before", async () => {
    const { bearer, table } = stand();
    await expect(bearer(newKey().key)).rejects.toMatchObject({ code: "unauthenticated" });
    const { key, digest, id } = newKey();
    table.set(digest, {
      id,
      name: "new",
      scopes: ["admin"],
      ...UNLIMITED,
      createdAtMs: 0,
      revokedAtMs: null,
      lastUsedAtMs: null,
    });
    expect((await bearer(key)).name).toBe("new");
  });

  test("is limited over all its verifications", async () => {
    const { bearer, state, table, made } = stand();
    const stored = table.get(made.digest);
    if (stored) table.set(made.digest, { ...stored, rate: 10, inFlight: 2 });
    const { limiter } = await bearer();
    limiter?.enter();
    limiter?.enter();
    state.nowMs += 501;
    const again = await bearer();
    expect(() => again.limiter?.enter()).toThrow("Too many requests.");
  });

  test("doesn't wait for unknown ones, of which no more than a thousand wait, in lookups of many", async () => {
    const { bearer, state } = stand();
    await bearer();
    state.nowMs += 501;
    let free = () => {};
    state.held = new Promise((resolve) => {
      free = resolve;
    });
    const before = state.lookups;
    const tried = Array.from({ length: 1500 }, () => bearer(newKey().key).catch(({ code }) => String(code)));
    const own = bearer();
    expect(state.lookups - before).toBe(3);
    free();
    expect((await own).name).toBe("app");
    const codes = await Promise.all(tried);
    const counted = (code: string) => codes.filter((one) => one === code).length;
    expect([counted("unauthenticated"), counted("overloaded")]).toEqual([1002, 498]);
    expect(state.lookups - before).toBeLessThan(40);
  });

  test("that is unknown is looked up once in half a second, however often it is sent", async () => {
    const { bearer, state } = stand();
    const { key } = newKey();
    for (let n = 0; n < 50; n++) await bearer(key).catch(() => {});
    expect(state.lookups).toBe(1);
  });

  test("goes on after ten thousand others were tried while the database is away", async () => {
    const { bearer, state } = stand();
    await bearer();
    for (let n = 0; n < 11; n++) {
      await Promise.all(Array.from({ length: 1000 }, () => bearer(newKey().key).catch(() => {})));
    }
    state.isAway = true;
    state.nowMs += 1000;
    expect((await bearer()).name).toBe("app");
  });

  test("costs no lookup for a key of the environment, or for what can't be one of ours", async () => {
    const { authenticate, bearer, state } = stand();
    expect(authenticate("Bearer sk_test_1")).toMatchObject({ name: "CLERK_SECRET_KEY" });
    for (const key of [
      "sk_test_other",
      "um_short",
      `${newKey().key}a`,
      `um_${"é".repeat(43)}`,
      `um_${".".repeat(43)}`,
    ]) {
      await expect(async () => bearer(key)).rejects.toMatchObject({ code: "unauthenticated" });
    }
    expect(state.lookups).toBe(0);
  });
});
