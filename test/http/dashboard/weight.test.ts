import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { ASSET_NAMES, asset } from "../../../src/http/dashboard/assets/assets.js";
import { PAGES } from "../../../src/http/dashboard/pages/pages.js";
import { MIRROR_KEY, standInApp } from "../stand-ins.js";
import { signedIn } from "./visitor.js";

// What a first visit loads, compressed by gzip, the weaker of the two that are served.

const KB = 1000;
const weightOf = (names: readonly (typeof ASSET_NAMES)[number][]) =>
  names.reduce((sum, name) => sum + asset(name).gzip.byteLength, 0);

test("all scripts together weigh at most 45 kB", () => {
  expect(weightOf(ASSET_NAMES.filter((name) => name.endsWith(".js")))).toBeLessThanOrEqual(45 * KB);
});

test.each(PAGES.map(({ path }) => path))(
  "/dashboard/%s weighs at most 100 kB with all that it loads, and is sent compressed",
  async (path) => {
    const visitor = await signedIn(standInApp().app, MIRROR_KEY);
    const answer = await visitor.get(`/dashboard/${path}`, { "Accept-Encoding": "gzip" });
    expect(answer.headers.get("content-encoding")).toBe("gzip");
    const page = await (await visitor.get(`/dashboard/${path}`)).text();
    expect(weightOf(ASSET_NAMES) + gzipSync(page).byteLength).toBeLessThanOrEqual(100 * KB);
  },
);
