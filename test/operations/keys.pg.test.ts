import { sql } from "drizzle-orm";
import { describe, expect } from "vitest";
import { createKey, listKeys, revokeKey } from "../../src/operations/keys.js";
import { test } from "../support/database.js";

const WANTED = { name: "backend", scopes: ["users:read"], rate: null, inFlight: null };

describe("keys", () => {
  test("are made, listed without the key itself, and revoked by id or name", async ({ db }) => {
    const { orm } = db.database.primary;
    const made = await createKey(orm, { ...WANTED, scopes: ["users:read", "users:read", "admin"], rate: 7 });
    expect(made).toMatchObject({
      name: "backend",
      scopes: ["users:read", "admin"],
      rate: 7,
      in_flight: 1000,
    });
    const [listed] = await listKeys(orm);
    expect(listed).toEqual({
      ...{ id: made.id, name: "backend", scopes: ["users:read", "admin"], rate: 7, in_flight: 1000 },
      ...{ created_at: expect.any(Number), revoked_at: null, last_used_at: null },
    });
    expect(JSON.stringify(listed)).not.toContain(made.key);
    expect(await revokeKey(orm, "backend")).toMatchObject({ id: made.id, revoked_at: expect.any(Number) });
    expect(await revokeKey(orm, made.id)).toBeNull();
  });

  test.for([
    [{ scopes: [] }, "invalid_request", "scopes"],
    [{ scopes: ["root"] }, "invalid_request", "scopes"],
    [{ name: "" }, "invalid_request", "name"],
    [{ name: "a\u0000" }, "invalid_request", "name"],
    [{ name: " " }, "invalid_request", "name"],
    [{ name: "backend " }, "invalid_request", "name"],
    [{ name: "key_0123456789abcdef" }, "invalid_request", "name"],
    [{ rate: 1.5 }, "invalid_request", "rate"],
    [{ rate: Number.NaN }, "invalid_request", "rate"],
    [{ inFlight: 1e9 }, "invalid_request", "in_flight"],
  ] as const)("are refused with %j", async ([wrong, code, param_name], { db }) => {
    const made = createKey(db.database.primary.orm, { ...WANTED, ...wrong });
    await expect(made).rejects.toMatchObject({ code, meta: { param_name } });
  });

  test("have one name each, which is free again after a revocation", async ({ db }) => {
    const { orm } = db.database.primary;
    await createKey(orm, WANTED);
    await expect(createKey(orm, WANTED)).rejects.toMatchObject({ code: "conflict" });
    await revokeKey(orm, "backend");
    await createKey(orm, WANTED);
    expect(await listKeys(orm)).toHaveLength(2);
  });

  test("are a thousand in use at most, and as many revoked ones are remembered", async ({ db }) => {
    const { orm } = db.database.primary;
    const add = (prefix: string, revokedAt: string) =>
      orm.execute(sql`
        insert into mirror_data.api_keys (id, name, digest, scopes, created_at, revoked_at)
        select ${prefix}::text || n, ${prefix}::text || n, ${prefix}::text || n, 'users:read', n, ${sql.raw(revokedAt)}
        from generate_series(1, 1000) as n`);
    await add("used", "null");
    await expect(createKey(orm, WANTED)).rejects.toMatchObject({ code: "conflict" });
    await add("revoked", "n");
    await revokeKey(orm, "used1");
    const ids = (await listKeys(orm)).map(({ id }) => id);
    expect(ids).toHaveLength(1999);
    expect(ids).not.toContain("revoked1");
    expect(ids).toContain("used1");
    await createKey(orm, WANTED);
  });
});
