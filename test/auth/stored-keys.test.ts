import { describe, expect, test } from "vitest";
import { createAuthenticator } from "../../src/auth/keys.js";
import { createStoredKeys, newKey, withStoredKeys } from "../../src/auth/stored-keys.js";
import type { ApiKey } from "../../src/db/api-keys.js";

/** Stored keys over a table in memory and a clock that the test moves. */
function stand() {
  const table = new Map<string, ApiKey>();
  const state = { nowMs: 0, lookups: 0, isAway: false };
  const keys = createStoredKeys({
    now: () => state.nowMs,
    async find(digest) {
      state.lookups++;
      if (state.isAway) throw new Error("connection refused");
      return table.get(digest) ?? null;
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
    createdAtMs: 0,
    revokedAtMs: null,
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
      createdAtMs: 0,
      revokedAtMs: null,
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

  test("costs no lookup for a key of the environment, or for what can't be one of ours", async () => {
    const { authenticate, bearer, state } = stand();
    expect(authenticate("Bearer sk_test_1")).toMatchObject({ name: "CLERK_SECRET_KEY" });
    await expect(async () => bearer("sk_test_other")).rejects.toMatchObject({ code: "unauthenticated" });
    expect(state.lookups).toBe(0);
  });
});
