// Covers src/http/dashboard/visit/live.ts

import { describe, expect, test } from "vitest";
import { AppError } from "../../../../src/lib/errors.js";
import { MIRROR_KEY, standInApp } from "../../stand-ins.js";
import { signedIn } from "../visitor.js";

const HOSTILE = "user_<script>";

describe("the page of changes", () => {
  test("shows the newest changes, is live from there on, and pages from the oldest by links", async () => {
    const { app, asked } = standInApp();
    const visitor = await signedIn(app, MIRROR_KEY);
    const live = await (await visitor.get("/dashboard/changes?types=user&types=membership")).text();
    expect(asked).toContainEqual(["changes", { position: 6, atMs: 60 }, ["user", "membership"], 100]);
    expect(live).toContain("user.upserted");
    expect(live).toMatch(/data-live="\/dashboard\/changes\/live\?types=user&amp;types=membership&amp;after=/);
    expect(live).toContain('href="/dashboard/changes?types=user&amp;types=membership&amp;after=start"');
    const page = await (await visitor.get("/dashboard/changes?after=start&types=user")).text();
    expect(page).toContain("user.upserted");
    expect(page).not.toContain("data-live");
    expect(asked).toContainEqual(["changes", null, ["user"], 100]);
  });

  test("shows of one id what concerns it, ids as text, and an error where a cursor is none", async () => {
    const { app } = standInApp();
    const visitor = await signedIn(app, MIRROR_KEY);
    const other = await (
      await visitor.get(`/dashboard/changes?after=start&id=${encodeURIComponent(HOSTILE)}`)
    ).text();
    expect(other).toContain("No such change on this page");
    expect(other).not.toContain(HOSTILE);
    const wrong = await visitor.get("/dashboard/changes?after=nonsense");
    expect(wrong.status).toBe(422);
    expect(await wrong.text()).toContain('role="alert"');
  });

  test("asks for objects only where the key may read users", async () => {
    const { app } = standInApp({ authenticate: () => ({ name: "k", scopes: new Set(["changes:read"]) }) });
    const page = await (await signedIn(app, "um_k")).get("/dashboard/changes?after=start&include=object");
    expect(page.status).toBe(200);
    const html = await page.text();
    expect(html).not.toContain("with objects");
    expect(html).not.toContain("as it is now");
  });

  test("is closed to a key without changes:read, its events too", async () => {
    const { app } = standInApp({ authenticate: () => ({ name: "k", scopes: new Set(["users:read"]) }) });
    const visitor = await signedIn(app, "um_k");
    expect((await visitor.get("/dashboard/changes")).status).toBe(403);
    expect((await visitor.get("/dashboard/changes/live")).status).toBe(403);
  });

  test("sends new rows with their cursor until the key is revoked", async () => {
    let isRevoked = false;
    const { app } = standInApp({
      authenticate() {
        if (isRevoked) throw new AppError("unauthenticated", "revoked");
        return { name: "k", scopes: new Set(["users:read", "changes:read"]) };
      },
    });
    const answer = await (await signedIn(app, "um_k")).get("/dashboard/changes/live?after=start");
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    const read = async () => (await reader.read()).value ?? "";
    expect(await read()).toContain(": live");
    expect(await read()).toMatch(
      /^event: prepend\nid: \S+\ndata: "<tr.*user\.upserted.*href=.*users\/user_1/,
    );
    isRevoked = true;
    expect(await read()).toBe("event: end\ndata: 0\n\n");
  });
});
