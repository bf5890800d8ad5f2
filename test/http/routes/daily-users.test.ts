import { describe, expect, test } from "vitest";
import { MIRROR_KEY, standInApp } from "../stand-ins.js";

const headers = { Authorization: `Bearer ${MIRROR_KEY}` };

describe("GET /mirror/users/daily", () => {
  test("answers with the last thirty days, or those that are asked for", async () => {
    const { app, asked } = standInApp();
    const answer = await app.request("/mirror/users/daily", { headers });
    expect(await answer.json()).toMatchObject({ data: [{ day: "2026-10-31" }, { day: "2026-11-29" }] });
    await app.request("/mirror/users/daily?from=2025-01-01&to=2025-02-01", { headers });
    expect(asked).toEqual([
      ["daily", "2026-10-31", "2026-11-29"],
      ["daily", "2025-01-01", "2025-02-01"],
    ]);
  });

  test.each([
    ["from=2026-02-30", "from"],
    ["from=yesterday", "from"],
    ["to=0000-01-01", "to"],
    ["to=2026-1-1", "to"],
    ["from=2000-01-01&to=2026-01-01", "from"],
  ])("refuses ?%s and names %s", async (query, param_name) => {
    const { app, asked } = standInApp();
    const answer = await app.request(`/mirror/users/daily?${query}`, { headers });
    expect([answer.status, await answer.json()]).toMatchObject([422, { errors: [{ meta: { param_name } }] }]);
    expect(asked).toEqual([]);
  });

  test("needs users:read", async () => {
    const { app } = standInApp({ authenticate: () => ({ name: "k", scopes: new Set(["changes:read"]) }) });
    expect((await app.request("/mirror/users/daily", { headers })).status).toBe(403);
  });
});
