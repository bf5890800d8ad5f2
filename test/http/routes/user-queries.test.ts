// Covers src/http/routes/user-queries.ts, src/http/filters.ts

import { describe, expect, test } from "vitest";
import { bearer, MIRROR_KEY, principalWith, standInApp } from "../stand-ins.js";

const post = (body: unknown) => ({
  ...bearer(MIRROR_KEY),
  method: "POST",
  body: typeof body === "string" ? body : JSON.stringify(body),
});

const filterOf = {
  kind: "metadata",
  object: "public",
  path: ["plan"],
  test: { operator: "in", values: ["pro"] },
};

describe("users by the mirror's own filters", () => {
  test("are asked for by a body, and by a link in JSON or SCIM, all the same", async () => {
    const { app, asked } = standInApp();
    const links = ['{"public_metadata.plan":"pro"}', 'public_metadata.plan eq "pro"'].map(
      (filter) => `/mirror/users?${new URLSearchParams({ filter })}`,
    );
    const answers = [
      await app.request("/mirror/users/query", post({ filter: { "public_metadata.plan": "pro" } })),
      await app.request(links[0] ?? "", bearer(MIRROR_KEY)),
      await app.request(links[1] ?? "", bearer(MIRROR_KEY)),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expect(answer.headers.get("content-type")).toBe("application/json");
      expect(answer.headers.get("cache-control")).toBe("private, no-store");
      expect(answer.headers.get("x-mirror-source")).toBe("local");
      expect(answer.headers.get("x-mirror-as-of")).toBe("1700000000000");
    }
    expect(asked).toEqual(Array(3).fill(["search", filterOf, { privateMetadata: true }]));
  });

  test("need users:read, and private metadata its own scope", async () => {
    const authenticate = principalWith("users:read");
    const { app, asked } = standInApp({ authenticate });
    const secret = await app.request("/mirror/users/query", post({ filter: { "private_metadata.a": 1 } }));
    expect(secret.status).toBe(403);
    expect((await app.request("/mirror/users/query", post({}))).status).toBe(200);
    expect(asked).toEqual([["search", { kind: "and", all: [] }, { privateMetadata: false }]]);
    const others = standInApp({ authenticate: principalWith("users:write", "admin", "changes:read") }).app;
    expect((await others.request("/mirror/users/query", post({}))).status).toBe(403);
    expect((await others.request("/mirror/users", bearer(MIRROR_KEY))).status).toBe(403);
  });

  test("are refused with the place of what is wrong", async () => {
    const { app } = standInApp();
    const param = async (answer: Response | Promise<Response>) =>
      ((await (await answer).json()) as { errors: { meta?: { param_name: string } }[] }).errors[0]?.meta
        ?.param_name;
    expect(await param(app.request("/mirror/users/query", post({ filter: { and: [{ plan: 1 }] } })))).toBe(
      "filter.and[0].plan",
    );
    expect(await param(app.request("/mirror/users?filter=id+eq", bearer(MIRROR_KEY)))).toBe("filter");
    const long = await app.request("/mirror/users/query", post({ filter: { id: "x".repeat(70_000) } }));
    expect([long.status, await param(long)]).toEqual([422, "filter"]);
    const longer = await app.request("/mirror/users/query", post({ filter: { id: "x".repeat(600_000) } }));
    expect([longer.status, await param(longer)]).toEqual([422, "filter"]);
    expect((await app.request("/mirror/users/query", post("{"))).status).toBe(400);
  });

  test("are answered once the first backfill has finished; until then with how far it is", async () => {
    const progress = { users: { seen: 3, expected: 9 } };
    const { app, asked } = standInApp({
      backfill: { isBackfilled: () => false, progress: async () => progress },
    });
    for (const answer of [
      await app.request("/mirror/users/query", post({})),
      await app.request("/mirror/users", bearer(MIRROR_KEY)),
    ]) {
      expect(answer.status).toBe(503);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(await answer.json()).toMatchObject({
        errors: [{ code: "service_unavailable", meta: { progress } }],
      });
    }
    expect((await app.request("/mirror/status", bearer(MIRROR_KEY))).status).toBe(200);
    expect(asked).toEqual([]);
  });
});
