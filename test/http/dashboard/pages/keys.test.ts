import { describe, expect, test } from "vitest";
import { KEY, MIRROR_KEY, standInApp } from "../../stand-ins.js";
import { signedIn } from "../visitor.js";

const NO_KEYS = {
  create: () => Promise.reject(new Error("none is made")),
  revoke: async () => null,
};

describe("the page of keys", () => {
  test("lists keys, their names as text, and offers to revoke them", async () => {
    const { app } = standInApp();
    const page = await (await (await signedIn(app, MIRROR_KEY)).get("/dashboard/keys")).text();
    expect(page).toContain("&lt;b&gt;backend&lt;/b&gt;");
    expect(page).toContain(`href="/dashboard/keys/${KEY.id}/revoke"`);
  });

  test("shows a hundred of many, and finds others by name, id or scope", async () => {
    const many = Array.from({ length: 150 }, (_, n) => ({ ...KEY, id: `key_${n}`, name: `app ${n}.` }));
    const app = standInApp({ keys: { ...NO_KEYS, list: async () => many } }).app;
    const visitor = await signedIn(app, MIRROR_KEY);
    const page = async (q = "") => (await visitor.get(`/dashboard/keys?q=${q}`)).text();
    expect(await page()).toContain("and 50 older ones");
    expect(await page()).not.toContain("app 149.");
    expect(await page("APP+149")).toContain("app 149.");
    expect(await page("key_149")).toContain("app 149.");
    expect(await page("users%3Aread")).toContain("and 50 older ones");
    expect(await page("%3Ci%3E")).toContain("No key matches");
  });

  test("makes a key and shows it in that answer alone", async () => {
    const { app, asked } = standInApp();
    const visitor = await signedIn(app, MIRROR_KEY);
    const csrf = await visitor.csrf();
    const answer = await visitor.post("/dashboard/keys", {
      csrf,
      name: "new",
      scope: "users:read",
      rate: "10",
    });
    expect(await answer.text()).toContain("um_made");
    expect(asked).toContainEqual([
      "create key",
      { name: "new", scopes: ["users:read"], rate: 10, inFlight: null },
    ]);
    expect(await (await visitor.get("/dashboard/keys")).text()).not.toContain("um_made");
  });

  test("says what is wrong with a key that can't be made, and keeps what was entered", async () => {
    const { app } = standInApp();
    const visitor = await signedIn(app, MIRROR_KEY);
    const answer = await visitor.post("/dashboard/keys", { csrf: await visitor.csrf(), name: '"><i>' });
    expect(answer.status).toBe(422);
    const page = await answer.text();
    expect(page).toContain("scopes");
    expect(page).toContain('value="&quot;&gt;&lt;i&gt;"');
  });

  test.each(["many", "9".repeat(400)])("says so where a limit is no number: %s", async (rate) => {
    const { app, asked } = standInApp();
    const visitor = await signedIn(app, MIRROR_KEY);
    const form = { csrf: await visitor.csrf(), name: "new", scope: "users:read", rate };
    expect((await visitor.post("/dashboard/keys", form)).status).toBe(422);
    expect(asked.map((one) => (one as string[])[0])).not.toContain("create key");
  });

  test("asks before it revokes", async () => {
    const { app, asked } = standInApp();
    const visitor = await signedIn(app, MIRROR_KEY);
    expect(await (await visitor.get("/dashboard/keys/key_1/revoke")).text()).toContain(
      "is refused within a second",
    );
    expect(asked).not.toContainEqual(["revoke", "key_1"]);
    const answer = await visitor.post("/dashboard/keys/key_1/revoke", { csrf: await visitor.csrf() });
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/dashboard/keys?revoked=key_1"]);
    expect(asked).toContainEqual(["revoke", "key_1"]);
    expect((await visitor.get("/dashboard/keys/key_9/revoke")).status).toBe(404);
  });

  test("shows nothing to a key without the scope admin, and makes none for it", async () => {
    const { app, asked } = standInApp({
      authenticate: () => ({ name: "reader", scopes: new Set(["users:read"]) }),
    });
    const visitor = await signedIn(app, "um_reader");
    const page = await visitor.get("/dashboard/keys");
    expect(page.status).toBe(403);
    expect(await page.text()).not.toContain("backend");
    const csrf = await visitor.csrf();
    expect((await visitor.post("/dashboard/keys", { csrf, name: "x", scope: "admin" })).status).toBe(403);
    expect((await visitor.post("/dashboard/keys/key_1/revoke", { csrf })).status).toBe(403);
    expect(asked.map((one) => (one as string[])[0])).not.toContain("create key");
    expect(asked.map((one) => (one as string[])[0])).not.toContain("revoke");
  });
});
