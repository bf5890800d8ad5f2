// Covers src/http/dashboard/dashboard.tsx

import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { PAGES } from "../../../src/http/dashboard/pages/pages.js";
import type { RunningServer } from "../../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { freshDatabase, type OwnDatabase } from "../../support/database.js";
import { startMirror } from "../../support/mirror.js";
import { barriersIn, type Guest, PHONE, signIn, startBrowser, welcome } from "./browser.js";

const ADMIN = "um_test";
const PREFIX = "/tools/mirror";
const HOSTILE = `"><img src=x onerror="document.title='owned'">`;

let sandbox: Sandbox;
let database: OwnDatabase;
let server: RunningServer;
let browser: Browser;
let proxy: Server;
const guests: Guest[] = [];

beforeAll(async () => {
  [sandbox, database, browser] = await Promise.all([
    startSandbox({ users: 200, organizations: 4 }),
    freshDatabase(),
    startBrowser(),
  ]);
  const { id } = sandbox.clerk.createUser({
    ...{ first_name: HOSTILE, last_name: HOSTILE, email_address: ["hostile@example.com"] },
    ...{ public_metadata: { [HOSTILE]: HOSTILE } },
  }) as { id: string };
  sandbox.clerk.createOrganization({ name: HOSTILE, created_by: id });
  server = await startMirror({ sandbox, databaseUrl: database.url });
  proxy = await startProxy(server.url);
}, 120_000);

afterEach(async () => {
  await Promise.all(guests.splice(0).map((guest) => guest.close()));
});

afterAll(async () => {
  await browser?.close();
  proxy?.closeAllConnections();
  proxy?.close();
  await server?.stop();
  await sandbox?.close();
  await database?.drop();
});

async function enter(options: Partial<Parameters<typeof welcome>[1]> = {}): Promise<Guest> {
  const guest = await welcome(browser, { url: server.url, ...options });
  guests.push(guest);
  return guest;
}

const linksOf = ({ page }: Guest) => page.getByRole("navigation", { name: "Pages" }).getByRole("link");
const allowed = (...scopes: string[]) =>
  PAGES.filter(({ scope }) => scopes.includes(scope)).map(({ title }) => title);

describe("signing in, in a browser", () => {
  test("with an administrator's key shows every page, and nothing is wrong on any of them", async () => {
    const guest = await enter({ key: ADMIN });
    expect(await linksOf(guest).allTextContents()).toEqual(PAGES.map(({ title }) => title));
    for (const { path, title } of PAGES) {
      expect([path, await guest.open(path)]).toEqual([path, 200]);
      expect(await guest.page.title()).toBe(`${title} · User Mirror`);
      expect(await guest.page.locator('img[src="x"]').count()).toBe(0);
    }
    expect(guest.complaints).toEqual([]);
  });

  test("with a key that may only read users shows users and charts, and that it is read-only", async () => {
    const { key } = await makeKey("reader", "users:read");
    const guest = await enter({ key });
    expect(await linksOf(guest).allTextContents()).toEqual(allowed("users:read"));
    await guest.page.getByText("read-only", { exact: true }).waitFor();
    expect(await guest.page.locator("[data-chart]").count()).toBeGreaterThan(0);
    expect(guest.complaints).toEqual([]);
    expect(await guest.open("keys")).toBe(403);
  });

  test("with Clerk's own secret key shows what that may do", async () => {
    const guest = await enter({ key: sandbox.secretKey });
    expect(await linksOf(guest).allTextContents()).toEqual(
      allowed("users:read", "users:write", "private_metadata:read", "proxy"),
    );
    expect(await guest.page.getByText("read-only", { exact: true }).count()).toBe(0);
    expect(guest.complaints).toEqual([]);
  });

  test("with a wrong key says so and keeps nothing; signing out ends the session", async () => {
    const guest = await enter();
    await guest.open("system");
    await signIn(guest.page, "um_wrong");
    expect(await guest.page.getByRole("alert").textContent()).toContain("unknown here");
    expect(await guest.page.context().cookies()).toEqual([]);
    await signIn(guest.page, ADMIN);
    expect(new URL(guest.page.url()).pathname).toBe("/dashboard/system");
    await guest.page.getByRole("button", { name: "Sign out" }).click();
    await guest.page.getByLabel("API key").waitFor();
    expect(await guest.page.context().cookies()).toEqual([]);
  });

  test("ends within a second when the key is revoked", async () => {
    const { id, key } = await makeKey("to be revoked", "users:read", "admin");
    const guest = await enter({ key });
    expect(await guest.open("system")).toBe(200);
    const revoked = await fetch(`${server.url}/mirror/keys/${id}`, {
      method: "DELETE",
      headers: { Authorization: `Bearer ${ADMIN}` },
    });
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
    const guest = await enter({ url, key: ADMIN });
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
    const guest = await enter({ key: ADMIN });
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
    const other = await enter({ key: made });
    expect(await other.page.locator(".key-name").textContent()).toBe("partner");

    await page.getByRole("link", { name: "Revoke partner" }).click();
    await page.getByRole("button", { name: "Revoke partner" }).click();
    await page.getByRole("status").getByText("is revoked, and refused everywhere").waitFor();
    expect([...guest.complaints, ...other.complaints]).toEqual([]);
  });

  test("is reached by keys alone: ? lists the shortcuts, g and a letter opens a page", async () => {
    const { page, complaints } = await enter({ key: ADMIN });
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
    const guest = await enter({ key: ADMIN, context: { javaScriptEnabled: false } });
    for (const { path, title } of PAGES) {
      expect([path, await guest.open(path)]).toEqual([path, 200]);
      expect(await guest.page.getByRole("heading", { level: 1 }).textContent()).toBe(title);
    }
  });
});

describe("nothing serious keeps anybody out", () => {
  const looks = {
    light: { colorScheme: "light" },
    dark: { colorScheme: "dark" },
    "light, on a telephone": { colorScheme: "light", viewport: PHONE },
    "dark, on a telephone": { colorScheme: "dark", viewport: PHONE },
  } as const;

  test.each(Object.entries(looks))(
    "of any page that is %s",
    async (_, context) => {
      const guest = await enter({ context });
      await guest.open("sign-in");
      expect(["sign-in", ...(await barriersIn(guest.page))]).toEqual(["sign-in"]);
      await signIn(guest.page, ADMIN);
      for (const { path } of PAGES) {
        await guest.open(path);
        expect([path, ...(await barriersIn(guest.page))]).toEqual([path]);
        expect([path, await overflowOf(guest)]).toEqual([path, 0]);
      }
      expect(guest.complaints).toEqual([]);
    },
    120_000,
  );
});

/** By how many pixels the page is wider than the window: nobody scrolls a page sideways. */
const overflowOf = ({ page }: Guest) =>
  page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");

async function makeKey(name: string, ...scopes: string[]): Promise<{ id: string; key: string }> {
  const answer = await fetch(`${server.url}/mirror/keys`, {
    method: "POST",
    headers: { Authorization: `Bearer ${ADMIN}`, "Content-Type": "application/json" },
    body: JSON.stringify({ name, scopes }),
  });
  expect(answer.status).toBe(201);
  return (await answer.json()) as { id: string; key: string };
}

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
