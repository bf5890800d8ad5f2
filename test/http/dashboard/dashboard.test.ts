// Covers src/http/dashboard/*, src/http/dashboard/assets/*, src/http/dashboard/pages/*, src/http/dashboard/parts/*, src/http/dashboard/visit/*

import { EventEmitter, once } from "node:events";
import { describe, expect, test, vi } from "vitest";
import { unknownKey } from "../../../src/auth/keys.js";
import { createLimiter } from "../../../src/auth/limits.js";
import type { Scope } from "../../../src/auth/scopes.js";
import { ASSET_NAMES, asset, assetPath } from "../../../src/http/dashboard/assets/assets.js";
import { PAGES } from "../../../src/http/dashboard/pages/pages.js";
import { respondStream } from "../../../src/http/respond-stream.js";
import { listen } from "../../../src/http/server.js";
import { AppError } from "../../../src/lib/errors.js";
import { MIRROR_KEY, type Overrides, SECRET_KEY, standInApp } from "../stand-ins.js";
import { overNetwork, signedIn, type Visitor } from "./visitor.js";

describe("the dashboard", () => {
  test("sends whoever isn't signed in to the sign-in page, and back to where they wanted to go", async () => {
    const { app } = standInApp();
    const answer = await app.request("/dashboard/system?a=b%20c");
    expect([answer.status, answer.headers.get("location")]).toEqual([
      303,
      "/dashboard/sign-in?next=system%3Fa%3Db%2520c",
    ]);
    const form = await app.request("/dashboard/sign-in?next=system%3Fa%3Db%2520c");
    expect(await form.text()).toContain('name="next" value="system?a=b%20c"');
  });

  test.each([
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "../admin",
    'a" onclick="x',
    // A header can't hold these.
    "users?q=\u0000",
    "users?q=€",
    "users?q=a b",
  ])("sends nobody to another site: next=%s", async (next) => {
    const { app } = standInApp();
    const { answer } = await signedIn(app, MIRROR_KEY, { next });
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/dashboard/"]);
  });

  test("refuses a wrong key with words, and sets no cookie", async () => {
    const { app } = standInApp();
    const { answer } = await signedIn(app, "um_wrong");
    expect([answer.status, answer.headers.get("set-cookie")]).toEqual([401, null]);
    expect(await answer.text()).toContain("unknown here, or was revoked");
  });

  test("keeps the session in a cookie that scripts and other sites can't use, and shows no key", async () => {
    const { app } = standInApp();
    const { answer } = await signedIn(app, MIRROR_KEY, {}, { "X-Forwarded-Proto": "https" });
    const cookie = answer.headers.get("set-cookie") ?? "";
    for (const part of ["Path=/dashboard", "HttpOnly", "Secure", "SameSite=Lax", "Max-Age=43200"])
      expect(cookie).toContain(part);
    expect(cookie).not.toContain(MIRROR_KEY);
  });

  test("shows pages by the scopes of the key, and marks one that can change nothing", async () => {
    const { app } = standInApp({
      authenticate: (header) => ({
        name: header === `Bearer ${MIRROR_KEY}` ? "all" : "reader",
        scopes: new Set(header === `Bearer ${MIRROR_KEY}` ? ["users:read", "admin"] : ["users:read"]),
      }),
    });
    const admin = await (await signedIn(app, MIRROR_KEY)).get("/dashboard/");
    const reader = await (await signedIn(app, "um_reader")).get("/dashboard/");
    const [all, some] = [await admin.text(), await reader.text()];
    expect(all).toContain('href="/dashboard/system"');
    expect(all).not.toContain("read-only");
    expect(some).not.toContain('href="/dashboard/system"');
    expect(some).toContain("read-only");
  });

  test.each(PAGES.map(({ path }) => path))(
    "answers /dashboard/%s without any key's scope but as the API would",
    async (path) => {
      const { app } = standInApp({ authenticate: () => ({ name: "nobody", scopes: new Set() }) });
      const page = await (await signedIn(app, "um_nothing")).get(`/dashboard/${path}`);
      expect(page.status).toBeLessThan(504);
      expect(await page.text()).not.toContain("PRIVATE");
    },
  );

  test("ends a session as soon as its key is unknown, for pages and for what htmx asks", async () => {
    let isRevoked = false;
    const { app } = standInApp({
      authenticate() {
        if (isRevoked) throw new AppError("unauthenticated", "revoked");
        return { name: "key", scopes: new Set(["users:read"]) };
      },
    });
    const visitor = await signedIn(app, "um_key");
    expect((await visitor.get("/dashboard/")).status).toBe(200);
    isRevoked = true;
    expect((await visitor.get("/dashboard/")).status).toBe(303);
    expect((await visitor.get("/dashboard/", { "HX-Request": "true" })).status).toBe(401);
    const live = await visitor.get("/dashboard/overview/live", { Accept: "text/event-stream" });
    expect([live.status, await live.text()]).toEqual([200, "event: end\ndata: 0\n\n"]);
  });

  test("says in a page that nobody can tell whose key it is, which comes again by itself where nothing was sent", async () => {
    let isAway = false;
    const { app } = standInApp({
      authenticate() {
        if (isAway) throw new AppError("database_unavailable", "The database can't be reached.");
        return { name: "key", scopes: new Set(["users:read"]) };
      },
    });
    const visitor = await signedIn(app, "um_key");
    const csrf = await visitor.csrf();
    isAway = true;
    const answers = await Promise.all([
      visitor.get("/dashboard/users?q=ada"),
      visitor.get("/dashboard/users?q=ada", { "HX-Request": "true" }),
      visitor.post("/dashboard/theme", { csrf, theme: "dark" }),
      signedIn(app, "um_key").then(({ answer }) => answer),
    ]);
    for (const { status, headers } of answers)
      expect([status, headers.get("content-type"), headers.get("retry-after")]).toEqual([
        ...[503, "text/html; charset=UTF-8", "1"],
      ]);
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    for (const text of texts)
      expect(text).toContain("The database can&#39;t be reached. Nothing was changed.");
    expect(answers.map(({ headers }) => headers.get("refresh"))).toEqual(["3", null, null, null]);
    expect(answers.map(({ headers }) => headers.get("hx-retarget"))).toEqual([null, "#problem", null, null]);
  });

  test("takes no form without the session's own token, nor one that another site sends", async () => {
    const { app } = standInApp();
    const visitor = await signedIn(app, MIRROR_KEY);
    for (const csrf of ["", "guess", undefined]) {
      const answer = await visitor.post("/dashboard/theme", {
        theme: "dark",
        ...(csrf !== undefined && { csrf }),
      });
      expect([answer.status, answer.headers.get("set-cookie")]).toEqual([403, null]);
    }
    const csrf = await visitor.csrf();
    const foreign = await visitor.post(
      "/dashboard/theme",
      { theme: "dark", csrf },
      { "Sec-Fetch-Site": "cross-site" },
    );
    expect(foreign.status).toBe(403);
    for (const site of ["cross-site", "same-site"]) {
      const { answer } = await signedIn(app, MIRROR_KEY, {}, { "Sec-Fetch-Site": site });
      expect([answer.status, answer.headers.get("set-cookie")]).toEqual([403, null]);
    }
    const own = await visitor.post("/dashboard/theme", { theme: "dark", csrf, back: "system?a=1" });
    expect([own.status, own.headers.get("location")]).toEqual([303, "/dashboard/system?a=1"]);
    expect(own.headers.get("set-cookie")).toContain("user_mirror_theme=dark");
  });

  /** A form of 64 KiB that comes in pieces, and how many of them were asked for. */
  function longForm(fields: Record<string, string>) {
    let pieces = 0;
    const body = new ReadableStream(
      {
        pull(controller) {
          if (pieces === 64) return controller.close();
          const text = pieces++ === 0 ? `${new URLSearchParams(fields)}&more=` : "x".repeat(1024);
          controller.enqueue(Buffer.from(text));
        },
      },
      { highWaterMark: 0 },
    );
    const headers = {
      "content-type": "application/x-www-form-urlencoded",
      "transfer-encoding": "chunked",
    };
    return { init: { method: "POST", body, duplex: "half" } as RequestInit, headers, read: () => pieces };
  }

  test("holds nothing of a form before it knows who sends it, but for a key's worth of the sign-in", async () => {
    const { app } = standInApp();
    const unknown = longForm({ theme: "dark" });
    const refused = await app.request("/dashboard/theme", { ...unknown.init, headers: unknown.headers });
    expect([refused.status, unknown.read()]).toEqual([401, 0]);

    const signIn = longForm({ key: MIRROR_KEY });
    const tooLong = await app.request("/dashboard/sign-in", { ...signIn.init, headers: signIn.headers });
    expect([tooLong.status, signIn.read()]).toEqual([413, 17]);
    const stated = { ...signIn.headers, "content-length": "16385" };
    const said = await app.request("/dashboard/sign-in", {
      method: "POST",
      body: "key=um_1",
      headers: stated,
    });
    expect(said.status).toBe(413);
  });

  test("takes a form in pieces from whoever is signed in", async () => {
    const { app } = standInApp();
    const { csrf, cookie } = await signedIn(app, MIRROR_KEY);
    const form = longForm({ csrf: await csrf(), theme: "dark" });
    const answer = await app.request("/dashboard/theme", {
      ...form.init,
      headers: { ...form.headers, cookie },
    });
    expect([answer.status, form.read()]).toEqual([303, 64]);
    expect(answer.headers.get("set-cookie")).toContain("user_mirror_theme=dark");
  });

  test.each([
    [{ Origin: "http://evil.example", Host: "mirror.example" }, 403],
    [{ Origin: "null", Host: "mirror.example" }, 403],
    [{ Origin: "http://mirror.example:81", Host: "mirror.example" }, 403],
    [{ Origin: "http://evil.example" }, 403],
    [{ "Sec-Fetch-Site": "cross-site", Origin: "http://mirror.example", Host: "mirror.example" }, 403],
    [{ "Sec-Fetch-Site": "same-origin", Origin: "http://mirror.example", Host: "10.0.0.1:8787" }, 303],
    [{ Origin: "http://mirror.example", Host: "mirror.example:80" }, 303],
    [{ Origin: "http://a.example", Host: "10.0.0.1", "X-Forwarded-Host": "a.example, b.example" }, 303],
  ])("signs nobody in by a form of another site: %j", async (headers, status) => {
    const { answer } = await signedIn(standInApp().app, MIRROR_KEY, {}, headers as Record<string, string>);
    expect([answer.status, answer.headers.get("set-cookie") !== null]).toEqual([status, status === 303]);
  });

  test.each([
    ["multipart/form-data", "key=um_1"],
    ["multipart/form-data; boundary=x", "no form"],
    ["multipart/form-data; boundary=x", '--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nhalf'],
    ['multipart/form-data; boundary="', ""],
  ])("refuses a form that can't be read: %s", async (type, body) => {
    const { app } = standInApp();
    const { cookie } = await signedIn(app, MIRROR_KEY);
    for (const page of ["sign-in", "theme"]) {
      const headers = { "content-type": type, cookie };
      const answer = await app.request(`/dashboard/${page}`, { method: "POST", body, headers });
      expect([page, answer.status, answer.headers.get("set-cookie")]).toEqual([page, 400, null]);
    }
  });

  describe("an export", () => {
    /** Serves a dashboard whose exports are these rows to somebody who has signed in. `failures`: the codes that were logged. */
    async function withExport(
      rows: (signal: AbortSignal) => AsyncIterable<Buffer>,
      work: (visitor: Visitor & { url: string; failures: unknown[] }) => Promise<void>,
      others: Overrides = {},
    ) {
      const failures: unknown[] = [];
      const { app } = standInApp({
        countFailure: (code) => void failures.push(code),
        userQueries: {
          ...{ search: async () => Buffer.from("{}"), nowMs: () => 0, asOfMs: () => 0 },
          stream: (c) => respondStream(c, rows, { "content-type": "text/csv" }),
        },
        ...others,
      });
      const server = await listen(app, { host: "127.0.0.1", port: 0 });
      try {
        await work({ ...(await signedIn(overNetwork(server.url), MIRROR_KEY)), url: server.url, failures });
      } finally {
        await server.drain(100);
      }
    }

    /** One row, and no other until nobody waits for it. */
    function waitingRows() {
      const seen = { isTidied: false };
      async function* rows(signal: AbortSignal) {
        try {
          yield Buffer.from("id\r\n");
          if (!signal.aborted) await once(signal, "abort");
        } finally {
          seen.isTidied = true;
        }
      }
      return { rows, seen };
    }

    const ENCODINGS = ["identity", "gzip"];

    test.each(ENCODINGS)(
      "that fails in the middle is cut, the log is told, and nothing is added (%s)",
      async (encoding) => {
        async function* rows() {
          yield Buffer.from("id\r\n");
          yield Buffer.from("user_1\r\n");
          throw new Error("secret of the database");
        }
        await withExport(rows, async ({ get, failures }) => {
          let text = "";
          const read = async () => {
            const answer = await get("/dashboard/users-export", { "Accept-Encoding": encoding });
            for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString("latin1");
          };
          await expect(read()).rejects.toThrow();
          expect(text).not.toContain("secret");
          expect(failures).toEqual(["bug"]);
        });
      },
    );

    test.each(ENCODINGS)("whose key is revoked is cut, and reads nothing more (%s)", async (encoding) => {
      const { rows, seen } = waitingRows();
      let isRevoked = false;
      const authenticate = () => {
        if (isRevoked) throw unknownKey();
        return { id: "key_1", name: "key", scopes: new Set<Scope>(["users:read"]) };
      };
      await withExport(
        rows,
        async ({ get, failures }) => {
          const answer = await get("/dashboard/users-export", { "Accept-Encoding": encoding });
          isRevoked = true;
          await expect(answer.text()).rejects.toThrow("terminated");
          await vi.waitFor(() => expect(seen.isTidied).toBe(true));
          expect(failures).toEqual(["unauthenticated"]);
        },
        { authenticate },
      );
    });

    test("whose visitor leaves reads nothing more", async () => {
      const { rows, seen } = waitingRows();
      await withExport(rows, async ({ url, cookie }) => {
        const leaving = new AbortController();
        await fetch(`${url}/dashboard/users-export`, { headers: { cookie }, signal: leaving.signal });
        leaving.abort();
        await vi.waitFor(() => expect(seen.isTidied).toBe(true));
      });
    });

    test("of which the head alone is asked for keeps nothing", async () => {
      const { rows, seen } = waitingRows();
      await withExport(rows, async ({ url, cookie }) => {
        const answer = await fetch(`${url}/dashboard/users-export`, { method: "HEAD", headers: { cookie } });
        expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/csv"]);
        await vi.waitFor(() => expect(seen.isTidied).toBe(true));
      });
    });
  });

  test("gives up what a page asks when its visitor leaves", async () => {
    const searches = new EventEmitter();
    const { app } = standInApp({
      userQueries: {
        async search(_query, _view, { signal }) {
          searches.emit("begun");
          if (signal) await once(signal, "abort");
          searches.emit("ended", signal?.aborted);
          return Buffer.from('{"data":[]}');
        },
        ...{ stream: () => null, nowMs: () => 0, asOfMs: () => 0 },
      },
    });
    const server = await listen(app, { host: "127.0.0.1", port: 0 });
    try {
      const { cookie } = await signedIn(overNetwork(server.url), MIRROR_KEY);
      const [isBegun, isEnded] = [once(searches, "begun"), once(searches, "ended")];
      const leaving = new AbortController();
      const page = fetch(`${server.url}/dashboard/users`, { headers: { cookie }, signal: leaving.signal });
      await isBegun;
      leaving.abort();
      await expect(page).rejects.toThrow();
      expect(await isEnded).toEqual([true]);
    } finally {
      await server.drain(100);
    }
  });

  test("says in a page that a key asks too often, and when to come again", async () => {
    const limiter = createLimiter({ rate: 1, inFlight: 9 }, () => 0);
    const { app } = standInApp({
      authenticate: () => ({ name: "reader", scopes: new Set(["users:read"]), limiter }),
    });
    const server = await listen(app, { host: "127.0.0.1", port: 0 });
    try {
      const { get } = await signedIn(overNetwork(server.url), "um_reader");
      expect((await get("/dashboard/nothing")).status).toBe(404);
      const answer = await get("/dashboard/nothing");
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "1"]);
      expect(await answer.text()).toContain("This key may make 1 requests a second");
    } finally {
      await server.drain(1000);
    }
  });

  test("signs out", async () => {
    const { app } = standInApp();
    const visitor = await signedIn(app, MIRROR_KEY);
    const answer = await visitor.post("/dashboard/sign-out", { csrf: await visitor.csrf() });
    expect(answer.headers.get("set-cookie")).toMatch(/^user_mirror_session=;.*Max-Age=0/);
  });

  test("works below a proxy's prefix, and takes nothing for one that could lead elsewhere", async () => {
    const { app } = standInApp();
    const visitor = await signedIn(app, SECRET_KEY);
    const page = await (await visitor.get("/dashboard/", { "X-Forwarded-Prefix": "/tools/mirror/" })).text();
    const links = [...page.matchAll(/(?:href|src|action)="([^"#]+)"/g)].map(([, link]) => link);
    expect(links.length).toBeGreaterThan(5);
    for (const link of links) expect(link).toMatch(/^\/tools\/mirror\/dashboard\//);
    // The last took a regular expression minutes.
    for (const prefix of [
      ...["//evil.example", "/a/../b", "https://evil.example", '/"><script>', `${"/".repeat(200_000)}x`],
    ])
      expect(await (await visitor.get("/dashboard/", { "X-Forwarded-Prefix": prefix })).text()).toContain(
        'href="/dashboard/"',
      );
  });

  test("forbids scripts in pages, frames and other hosts by its headers, and has none of them itself", async () => {
    const { app } = standInApp();
    const page = await (await signedIn(app, MIRROR_KEY)).get("/dashboard/");
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|\*|http/);
    const html = await page.text();
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|https?:\/\//);
  });

  test("writes one line to the log for a page, whatever it asks of the mirror's own routes", async () => {
    const seen: string[] = [];
    const { app } = standInApp({ observe: ({ template, key }) => seen.push(`${key} ${template}`) });
    const visitor = await signedIn(app, MIRROR_KEY);
    seen.length = 0;
    await visitor.get("/dashboard/");
    expect(seen).toHaveLength(1);
  });

  test("sends its files compressed, to be kept for ever, and nothing under another version's address", async () => {
    const { app } = standInApp();
    for (const name of ASSET_NAMES) {
      const path = `/dashboard/${assetPath(name)}`;
      const plain = await app.request(path);
      expect(plain.headers.get("cache-control")).toContain("immutable");
      const small = await app.request(path, { headers: { "Accept-Encoding": "gzip;q=0.5, br" } });
      expect(small.headers.get("content-encoding")).toBe("br");
      expect((await app.request(path.replace(asset(name).hash, "0".repeat(16)))).status).toBe(404);
    }
  });

  test("needs at most 45 kB of compressed JavaScript", () => {
    const scripts = ASSET_NAMES.filter((name) => name.endsWith(".js")).map((name) => asset(name));
    expect(scripts.reduce((bytes, { br }) => bytes + br.length, 0)).toBeLessThan(45_000);
    expect(scripts.reduce((bytes, { gzip }) => bytes + gzip.length, 0)).toBeLessThan(45_000);
  });
});
