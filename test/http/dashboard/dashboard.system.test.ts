// Covers src/http/dashboard/dashboard.tsx

import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { PAGES } from "../../../src/http/dashboard/pages/pages.js";
import { type Guest, signIn } from "./browser.js";
import { ADMIN_KEY, HOSTILE, openMirror, type VisitedMirror } from "./visited-mirror.js";

const PREFIX = "/tools/mirror";

let mirror: VisitedMirror;
let proxy: Server;

beforeAll(async () => {
  mirror = await openMirror();
  proxy = await startProxy(mirror.url);
}, 120_000);

afterEach(() => mirror.leave());

afterAll(async () => {
  proxy?.closeAllConnections();
  proxy?.close();
  await mirror?.close();
});

const linksOf = ({ page }: Guest) => page.getByRole("navigation", { name: "Pages" }).getByRole("link");
const allowed = (...scopes: string[]) =>
  PAGES.filter(({ scope }) => scopes.includes(scope)).map(({ title }) => title);

describe("signing in, in a browser", () => {
  test("with an administrator's key shows every page, and nothing is wrong on any of them", async () => {
    const guest = await mirror.enter({ key: ADMIN_KEY });
    expect(await linksOf(guest).allTextContents()).toEqual(PAGES.map(({ title }) => title));
    for (const { path, title } of PAGES) {
      expect([path, await guest.open(path)]).toEqual([path, 200]);
      expect(await guest.page.title()).toBe(`${title} · User Mirror`);
      expect(await guest.page.locator('img[src="x"]').count()).toBe(0);
    }
    expect(guest.complaints).toEqual([]);
  });

  test("with a key that may only read users shows users and charts, and that it is read-only", async () => {
    const { key } = await mirror.makeKey("reader", "users:read");
    const guest = await mirror.enter({ key });
    expect(await linksOf(guest).allTextContents()).toEqual(allowed("users:read"));
    await guest.page.getByText("read-only", { exact: true }).waitFor();
    expect(await guest.page.locator("[data-chart]").count()).toBeGreaterThan(0);
    expect(guest.complaints).toEqual([]);
    expect(await guest.open("keys")).toBe(403);
  });

  test("with Clerk's own secret key shows what that may do", async () => {
    const guest = await mirror.enter({ key: mirror.sandbox.secretKey });
    expect(await linksOf(guest).allTextContents()).toEqual(
      allowed("users:read", "users:write", "private_metadata:read", "proxy"),
    );
    expect(await guest.page.getByText("read-only", { exact: true }).count()).toBe(0);
    expect(guest.complaints).toEqual([]);
  });

  test("with a wrong key says so and keeps nothing; signing out ends the session", async () => {
    const guest = await mirror.enter();
    await guest.open("system");
    await signIn(guest.page, "um_wrong");
    expect(await guest.page.getByRole("alert").textContent()).toContain("unknown here");
    expect(await guest.page.context().cookies()).toEqual([]);
    await signIn(guest.page, ADMIN_KEY);
    expect(new URL(guest.page.url()).pathname).toBe("/dashboard/system");
    await guest.page.getByRole("button", { name: "Sign out" }).click();
    await guest.page.getByLabel("API key").waitFor();
    expect(await guest.page.context().cookies()).toEqual([]);
  });

  test("ends within a second when the key is revoked", async () => {
    const { id, key } = await mirror.makeKey("to be revoked", "users:read", "admin");
    const guest = await mirror.enter({ key });
    expect(await guest.open("system")).toBe(200);
    const revoked = await mirror.ask("DELETE", `/mirror/keys/${id}`);
    expect(revoked.ok).toBe(true);
    await expect
      .poll(
        async () => {
          await guest.open("system");
          return new URL(guest.page.url()).pathname;
        },
        { timeout: 1000 },
      )
      .toBe("/dashboard/sign-in");
  });
});

describe("a page in a browser", () => {
  test("stays below the prefix of a proxy, links, assets and forms too", async () => {
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}${PREFIX}`;
    const guest = await mirror.enter({ url, key: ADMIN_KEY });
    expect(new URL(guest.page.url()).pathname).toBe(`${PREFIX}/dashboard/`);
    for (const { title, path } of PAGES) {
      await linksOf(guest).getByText(title, { exact: true }).click();
      await guest.page.waitForURL(`${url}/dashboard/${path}`);
    }
    await guest.page.getByTitle("Change the colours").click();
    await guest.page.locator("html[data-theme=dark]").waitFor();
    expect(new URL(guest.page.url()).pathname.startsWith(`${PREFIX}/dashboard/`)).toBe(true);
    expect(guest.complaints).toEqual([]);
  });

  test("makes a key that is shown once and signs in, refuses a hostile name in words, and revokes it", async () => {
    const guest = await mirror.enter({ key: ADMIN_KEY });
    const { page } = guest;
    await guest.open("keys");
    await page.getByLabel("Name").fill(HOSTILE);
    await page.getByRole("button", { name: "Make the key" }).click();
    await page.getByRole("alert").getByText("letters, digits").waitFor();
    expect(await page.getByLabel("Name").inputValue()).toBe(HOSTILE);
    // A refused form is answered with 422, which Chromium notes.
    expect(guest.complaints.splice(0)).toHaveLength(1);

    await page.getByLabel("Name").fill("partner");
    await page.getByRole("button", { name: "Make the key" }).click();
    const made = (await page.locator("code.secret").textContent()) ?? "";
    expect(made).toMatch(/^um_/);
    await guest.open("keys");
    expect(await page.content()).not.toContain(made);
    const other = await mirror.enter({ key: made });
    expect(await other.page.locator(".key-name").textContent()).toBe("partner");

    await page.getByRole("link", { name: "Revoke partner" }).click();
    await page.getByRole("button", { name: "Revoke partner" }).click();
    await page.getByRole("status").getByText("is revoked, and refused everywhere").waitFor();
    expect([...guest.complaints, ...other.complaints]).toEqual([]);
  });

  test("of the overview follows the mirror while it is open, and no longer when its key is revoked", async () => {
    const { id, key } = await mirror.makeKey("watcher", "users:read", "admin");
    const guest = await mirror.enter({ key });
    const { page } = guest;
    const users = page.locator("#status dt", { hasText: "Users here" }).locator("+ dd");
    const before = Number((await users.textContent())?.replaceAll(",", ""));
    mirror.sandbox.clerk.createUser({ first_name: "Live" });
    await expect.poll(async () => Number((await users.textContent())?.replaceAll(",", ""))).toBe(before + 1);
    await mirror.ask("DELETE", `/mirror/keys/${id}`);
    await page.locator("#status[data-ended]").waitFor();
    expect(guest.complaints).toEqual([]);
  });

  test.each(PAGES.map(({ path }) => path))(
    "at /dashboard/%s weighs at most 100 kB at the first visit, as it comes over the network",
    async (path) => {
      const guest = await mirror.enter({ key: ADMIN_KEY });
      const cdp = await guest.page.context().newCDPSession(guest.page);
      await cdp.send("Network.enable");
      await cdp.send("Network.setCacheDisabled", { cacheDisabled: true });
      let bytes = 0;
      cdp.on("Network.loadingFinished", ({ encodedDataLength }) => {
        bytes += encodedDataLength;
      });
      await guest.open(path);
      expect(bytes).toBeGreaterThan(40_000);
      expect(bytes).toBeLessThanOrEqual(100_000);
    },
  );

  test("is reached by keys alone: ? lists the shortcuts, g and a letter opens a page", async () => {
    const { page, complaints } = await mirror.enter({ key: ADMIN_KEY });
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.keyboard.press("g");
    await page.keyboard.press("s");
    await page.waitForURL("**/dashboard/system");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement?.id")).toBe("main");
    expect(complaints).toEqual([]);
  });

  test("can be read without a script", async () => {
    const guest = await mirror.enter({ key: ADMIN_KEY, context: { javaScriptEnabled: false } });
    for (const { path, title } of PAGES) {
      expect([path, await guest.open(path)]).toEqual([path, 200]);
      expect(await guest.page.getByRole("heading", { level: 1 }).textContent()).toBe(title);
    }
  });
});

/** As nginx with `location /tools/mirror/ { proxy_pass …/; proxy_set_header X-Forwarded-Prefix /tools/mirror; }`. */
async function startProxy(target: string): Promise<Server> {
  const { hostname, port } = new URL(target);
  const listening = createServer((incoming, outgoing) => {
    if (!incoming.url?.startsWith(`${PREFIX}/`)) return outgoing.writeHead(404).end();
    const onward = request(
      {
        ...{ hostname, port, method: incoming.method, path: incoming.url.slice(PREFIX.length) },
        headers: { ...incoming.headers, "x-forwarded-prefix": PREFIX },
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => onward.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  return listening;
}
