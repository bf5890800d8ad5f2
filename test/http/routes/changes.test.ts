import { describe, expect, test } from "vitest";
import type { Scope } from "../../../src/auth/scopes.js";
import { cursorOf } from "../../../src/changes/cursor.js";
import { createHeld } from "../../../src/http/held.js";
import { bearer, MIRROR_KEY, principalWith, standInApp } from "../stand-ins.js";

async function ask(query: string, headers: Record<string, string> = {}) {
  const { app, asked } = standInApp();
  const auth = bearer(MIRROR_KEY).headers;
  const response = await app.request(`/mirror/changes${query}`, { headers: { ...auth, ...headers } });
  return { status: response.status, headers: response.headers, text: await response.text(), asked };
}

const CURSOR = cursorOf({ position: 8, atMs: 80 });
const CHANGE = { cursor: CURSOR, type: "user.upserted", id: "user_1", version: 5, at: 80 };
const EVENTS = { accept: "text/event-stream" };
const KINDS = ["user", "organization", "membership"];

describe("the list of changes", () => {
  test("has the changes, where to go on, whether there are more, and up to when the mirror is complete", async () => {
    const { status, text, headers, asked } = await ask("");
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({ data: [CHANGE], next_cursor: CURSOR, has_more: false, as_of: 60 });
    expect(headers.get("content-type")).toBe("application/json");
    expect([headers.get("x-mirror-source"), headers.get("x-mirror-as-of")]).toEqual(["local", "60"]);
    expect(asked).toEqual([["changes", null, KINDS, 100]]);
  });

  test.each([
    ["?after=start", null],
    ["?after=now", { position: 7, atMs: 70 }],
    [`?after=${CURSOR}`, { position: 8, atMs: 80 }],
  ])("begins where it is asked to: %s", async (query, place) => {
    expect((await ask(query)).asked).toEqual([["changes", place, KINDS, 100]]);
  });

  test("is of the kinds that are asked for, and as long", async () => {
    const { asked } = await ask("?types=membership,user&limit=500&wait=30&unknown=1");
    expect(asked).toEqual([["changes", null, ["membership", "user"], 500]]);
  });

  test.each([
    ["after", ["", "yesterday", "1.8.80", `${CURSOR}x`]],
    ["limit", ["0", "501", "-1", "1.5", "ten", ""]],
    ["wait", ["31", "-1", "1.5", "soon", ""]],
    ["types", ["", "users", "user,", "user,session", "User"]],
    ["include", ["", "objects"]],
  ])("refuses what %s can't be", async (name, values) => {
    for (const value of values) {
      const { status, text } = await ask(`?${name}=${encodeURIComponent(value)}`);
      expect([value, status]).toEqual([value, 422]);
      expect(JSON.parse(text).errors[0]).toMatchObject({
        code: "form_param_value_invalid",
        meta: { param_name: name },
      });
    }
  });
});

describe("objects", () => {
  async function askWith(scopes: Scope[], headers = {}) {
    const { app } = standInApp({ authenticate: principalWith(...scopes) });
    const response = await app.request("/mirror/changes?include=object", {
      headers: { ...bearer(MIRROR_KEY).headers, ...headers },
    });
    return { status: response.status, text: await response.text() };
  }

  test("need the scope for users too, and show private metadata with theirs only", async () => {
    const refused = await askWith(["changes:read", "private_metadata:read"]);
    expect(refused.status).toBe(403);
    expect(JSON.parse(refused.text).errors[0]).toMatchObject({
      ...{ code: "authorization_invalid", meta: { scope: "users:read" } },
    });
    expect((await askWith(["changes:read", "private_metadata:read"], EVENTS)).status).toBe(403);
    for (const [scopes, privateMetadata] of [
      [["changes:read", "users:read"], false],
      [["changes:read", "users:read", "private_metadata:read"], true],
    ] as [Scope[], boolean][]) {
      const { text } = await askWith(scopes);
      const object = { kind: "user", id: "user_1", view: { privateMetadata } };
      expect(JSON.parse(text).data).toEqual([{ ...CHANGE, object }]);
    }
  });
});

describe("the stream of changes", () => {
  test("is server-sent events", async () => {
    const { status, text, headers } = await ask("", EVENTS);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/event-stream");
    expect(text).toMatch(/^: /);
    expect(text).toContain(`\n\nevent: change\nid: ${CURSOR}\ndata: ${JSON.stringify(CHANGE)}\n\n`);
  });

  test("begins behind the last event that its reader has seen, whatever the address says", async () => {
    const seen = cursorOf({ position: 6, atMs: 60 });
    const { asked } = await ask(`?after=${CURSOR}`, { ...EVENTS, "last-event-id": seen });
    expect(asked).toEqual([["changes", { position: 6, atMs: 60 }, KINDS, 500]]);
    expect((await ask("?after=nonsense", { ...EVENTS, "last-event-id": seen })).asked).toEqual(asked);
    const bad = await ask("", { ...EVENTS, "last-event-id": "nonsense" });
    expect(bad.status).toBe(422);
    expect(JSON.parse(bad.text).errors[0].meta).toEqual({ param_name: "Last-Event-ID" });
    // It means nothing to a list.
    expect((await ask("", { "last-event-id": seen })).asked).toEqual([["changes", null, KINDS, 100]]);
  });

  test("is refused beyond the number that a key may keep open", async () => {
    const held = createHeld({ mostPerKey: 0 });
    const { changes } = standInApp().parts;
    const { app } = standInApp({ changes: { ...changes, held } });
    const response = await app.request("/mirror/changes", {
      headers: { ...bearer(MIRROR_KEY).headers, ...EVENTS },
    });
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("1");
  });
});
