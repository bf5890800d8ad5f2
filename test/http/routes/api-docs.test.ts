// Covers src/http/routes/api-docs.ts, src/http/openapi/page.ts

import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { bearer, MIRROR_KEY, standInApp } from "../stand-ins.js";

const OPEN = { openAccess: { openTo: "all", host: "0.0.0.0" } } as const;
const { app } = standInApp(OPEN);

/** The addresses of everything that the page loads. */
async function filesOfPage(): Promise<string[]> {
  const page = await (await app.request("/docs")).text();
  return [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address as string);
}

test.each(["/openapi.json", "/docs", "/docs/", "/docs/start.js", "/docs/swagger-ui.css"])(
  "%s follows OPEN_ROUTES: without a key it is 401 where it isn't open, with any key it is there",
  async (path) => {
    const { app: closed } = standInApp();
    expect((await closed.request(path)).status).toBe(401);
    expect((await closed.request(path, bearer(MIRROR_KEY))).status).toBeLessThan(400);
    expect((await app.request(path)).status).toBeLessThan(400);
  },
);

test("the description is JSON, and the same each time", async () => {
  const [one, other] = await Promise.all([app.request("/openapi.json"), app.request("/openapi.json")]);
  expect(one.headers.get("content-type")).toBe("application/json");
  const text = await one.text();
  expect(await other.text()).toBe(text);
  expect(JSON.parse(text).openapi).toBe("3.1.1");
});

describe("the page", () => {
  test("allows no script or style but files of this server, and asks nobody else", async () => {
    const response = await app.request("/docs");
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    const page = await response.text();
    expect(page).not.toMatch(/<script>|<style|\sstyle=|\son\w+=|:\/\//);
  });

  test("has addresses relative to its own alone, so that it works below any prefix, and all of them are there", async () => {
    const files = await filesOfPage();
    expect(files.length).toBeGreaterThanOrEqual(5);
    for (const file of files) {
      expect(file).not.toMatch(/^\/|:/);
      const { pathname } = new URL(file, "http://host/docs");
      expect([file, (await app.request(pathname)).status]).toEqual([file, 200]);
      expect(new URL(file, "http://host/pre/fix/docs").pathname).toBe(`/pre/fix${pathname}`);
    }
    const start = await (await app.request("/docs/start.js")).text();
    expect(start).toContain('new URL("openapi.json", location.href)');
  });

  test("is led to from its address with a slash, below a prefix too", async () => {
    const response = await app.request("/docs/");
    const location = response.headers.get("location") ?? "";
    expect([response.status, new URL(location, "http://host/pre/fix/docs/").pathname]).toEqual([
      308,
      "/pre/fix/docs",
    ]);
  });

  test("has its files as they are, and compressed for who accepts that", async () => {
    for (const name of ["swagger-ui-bundle.js", "swagger-ui.css", "start.js"]) {
      const plain = await app.request(`/docs/${name}`);
      const gzip = await app.request(`/docs/${name}`, { headers: { "Accept-Encoding": "br, gzip" } });
      expect([plain.headers.get("content-encoding"), gzip.headers.get("content-encoding")]).toEqual([
        null,
        "gzip",
      ]);
      const unpacked = gunzipSync(Buffer.from(await gzip.arrayBuffer()));
      expect(unpacked.equals(Buffer.from(await plain.arrayBuffer()))).toBe(true);
      expect(plain.headers.get("content-type")).toMatch(/^text\/(css|javascript)/);
    }
  });

  test.each(["package.json", "index.html", "..%2fpackage.json", "constructor", "swagger-ui-bundle.js.map"])(
    "gives no other file: %s",
    async (name) => {
      expect((await app.request(`/docs/${name}`)).status).toBe(404);
    },
  );
});
