import { describe, expect, test } from "vitest";
import { MIRROR_KEY, standInApp } from "../../stand-ins.js";
import { signedIn } from "../visitor.js";

describe("the page of the system", () => {
  test("shows what runs and with which configuration, as text", async () => {
    const { app } = standInApp();
    const page = await (await (await signedIn(app, MIRROR_KEY)).get("/dashboard/system")).text();
    for (const part of [
      "User Mirror 1",
      "host 1",
      "applied",
      "PORT",
      "8787",
      "where &lt;i&gt;the server&lt;/i&gt; listens",
    ])
      expect(page).toContain(part);
    expect(page).not.toContain(MIRROR_KEY);
  });

  test("shows nothing of it without the scope admin", async () => {
    const { app } = standInApp({ authenticate: () => ({ name: "r", scopes: new Set(["users:read"]) }) });
    const page = await (await signedIn(app, "um_reader")).get("/dashboard/system");
    expect(page.status).toBe(403);
    expect(await page.text()).not.toContain("8787");
  });
});
