// Covers src/http/dashboard/dashboard.tsx

import { describe, expect, test } from "vitest";
import { PAGES } from "../../../src/http/dashboard/pages/pages.js";
import { deliver } from "../../support/signed.js";
import { type Guest, signIn } from "./browser.js";
import { ADMIN_KEY, HOSTILE, useMirror } from "./visited-mirror.js";

const mirror = useMirror();

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
    // A part that comes later doesn't rename the page.
    await page.getByRole("region", { name: "Weekly active users" }).waitFor();
    expect(await page.title()).toBe("Overview · User Mirror");
    const before = Number((await users.textContent())?.replaceAll(",", ""));
    mirror.sandbox.clerk.createUser({ first_name: "Live" });
    await expect.poll(async () => Number((await users.textContent())?.replaceAll(",", ""))).toBe(before + 1);
    await mirror.ask("DELETE", `/mirror/keys/${id}`);
    await page.locator("#status[data-ended]").waitFor();
    expect(guest.complaints).toEqual([]);
  });

  test("keeps what somebody presses in a live part until it is let go, and the focus where it is", async () => {
    const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
    await page.addInitScript(`{
      const Live = window.EventSource;
      window.EventSource = function (address) {
        return (window.live = new Live(address));
      };
      window.EventSource.CLOSED = Live.CLOSED;
    }`);
    await open("runs");
    const link = page.locator("#runs a[href*='runs/run_']").last();
    const replaced = async () => {
      await page.evaluate(
        `void (window.replaced = new Promise((done) => live.addEventListener("replace", () => done(), { once: true })))`,
      );
      await mirror.ask("POST", "/mirror/reconcile", { mode: "dry_run" });
      await page.evaluate("window.replaced");
    };
    await link.focus();
    const focused = await page.evaluate("document.activeElement.getAttribute('href')");
    await replaced();
    expect(await page.evaluate("document.activeElement.getAttribute('href')")).toBe(focused);
    await link.hover();
    await page.mouse.down();
    await replaced();
    await page.mouse.up();
    await page.waitForURL("**/dashboard/runs/run_*");
    expect(complaints).toEqual([]);
  });

  test("says above what it shows that keys can't be looked up, and goes on when they can", async () => {
    const guest = await mirror.enter({ key: ADMIN_KEY });
    const { page, complaints, open } = guest;
    const { key } = await mirror.makeKey("not looked up yet", "users:read", "changes:read");
    await open("users");
    const search = page.getByRole("searchbox");
    const results = page.locator("#results tbody tr");
    const before = await results.count();
    await mirror.takeSession(guest, key);
    await mirror.withoutKeys(async () => {
      await search.fill("nobody");
      await page.getByRole("alert").getByText("the database can't be reached").waitFor();
      expect([await results.count(), await search.inputValue()]).toEqual([before, "nobody"]);
      expect(await open("users")).toBe(503);
      expect(await page.getByRole("alert").textContent()).toContain("tries again every 3 seconds");
    });
    await page.getByText("not looked up yet").waitFor();
    // Chromium notes each 503, htmx its own, and nobody anything else.
    expect(complaints.filter((complaint) => !complaint.includes("503"))).toEqual([]);
  });

  test("connects a live part again that was refused while keys couldn't be looked up", async () => {
    const guest = await mirror.enter({ key: ADMIN_KEY });
    const { page, open } = guest;
    const { key } = await mirror.makeKey("not looked up either", "users:read", "changes:read");
    await page.clock.install();
    await open("changes?types=user");
    const pause = page.getByRole("button", { name: "Pause" });
    await pause.click();
    await mirror.takeSession(guest, key);
    await mirror.withoutKeys(async () => {
      const [refused] = await Promise.all([page.waitForResponse("**/changes/live*"), pause.click()]);
      expect(refused.status()).toBe(503);
    });
    await page.clock.fastForward(3000);
    const { id } = mirror.sandbox.clerk.createUser({ first_name: "Behind the refusal" });
    await page.locator("#changes tr").first().getByRole("link", { name: id }).waitFor();
  });

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
});

describe("operating the mirror, in a browser", () => {
  test("a run is started, followed to its end, and looked into: whom it repaired, and its windows", async () => {
    mirror.sandbox.webhooks.faults.drop = 1;
    const { id } = mirror.sandbox.clerk.createUser({ first_name: "Unheard of" });
    const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
    await open("runs");
    await page.getByRole("button", { name: "Compare every user" }).click();
    await page.waitForURL("**/dashboard/runs/run_*");
    await page.locator("#run .badge").getByText("succeeded", { exact: true }).waitFor();
    const found = page.getByRole("region", { name: "Differences repaired" });
    await found.getByText("1 missing here").waitFor();
    await found.getByRole("link", { name: id }).waitFor();
    const windows = page.getByRole("region", { name: "Windows", exact: true }).locator("tbody tr");
    expect(await windows.count()).toBeGreaterThan(0);
    expect(new Set(await windows.locator(".badge").allTextContents())).toEqual(new Set(["done"]));
    await page.getByRole("link", { name: "All runs" }).click();
    await page.getByRole("cell", { name: "1 missing here" }).waitFor();
    expect(complaints).toEqual([]);
  });

  test("a run that is under way is stopped after a question, and whoever follows it sees who stopped it", async () => {
    // Clerk would keep the run waiting for longer than this test may take.
    mirror.sandbox.faults.add({ match: "GET /v1/users", delayMs: 60_000 });
    const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
    await open("runs");
    await page.getByRole("button", { name: "Dry run" }).click();
    await page.locator("#run .badge").getByText("running", { exact: true }).waitFor();
    const follower = await mirror.enter({ key: ADMIN_KEY });
    await follower.page.goto(page.url());
    await page.getByRole("link", { name: "Stop …" }).click();
    await page.getByRole("link", { name: "Let it go on" }).click();
    await page.locator("#run .badge").getByText("running", { exact: true }).waitFor();
    await page.getByRole("link", { name: "Stop …" }).click();
    await page.getByRole("button", { name: "Stop the run" }).click();
    mirror.sandbox.faults.clear();
    for (const seen of [page, follower.page]) {
      await seen.locator("#run .badge").getByText("stopped", { exact: true }).waitFor();
      await seen.getByRole("status").getByText("MIRROR_API_KEY").waitFor();
      expect(await seen.getByRole("link", { name: "Stop …" }).count()).toBe(0);
    }
    expect([...complaints, ...follower.complaints]).toEqual([]);
  });

  test("dead letters are replayed one by one and by their cause, and dropped after a question", async () => {
    const ids = mirror.sandbox.clerk.users().map((user) => String(user.id));
    const [one, other] = [ids[0] ?? "", ids[1] ?? ""];
    // The webhooks can't be applied at all. What Clerk then answers about these users can't either, but once.
    for (const id of [one, other]) {
      const body = { object: "user", id, first_name: "Half of an answer" };
      mirror.sandbox.faults.add({ match: `^GET /v1/users/${id}$`, times: 1, status: 200, body });
      const event = { type: "user.updated", object: "event", data: { object: "user", id } };
      expect(await deliver(mirror.url, `msg_of_${id}`, event)).toBe("dead_lettered");
    }
    await expect.poll(() => letterIds()).toHaveLength(4);
    const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
    await open("dead-letters");
    await page.getByRole("button", { name: "Replay all 4" }).click();
    await page
      .getByRole("status")
      .getByText(/^2 replayed.* 2 are left/)
      .waitFor();
    await expect.poll(() => letterIds()).toEqual([`msg_of_${one}`, `msg_of_${other}`]);

    await open("dead-letters");
    await page.getByRole("link", { name: `msg_of_${one}` }).click();
    await page.getByRole("button", { name: "Replay", exact: true }).click();
    await page.getByRole("status").getByText("fails as before").waitFor();
    await page.getByRole("link", { name: "Drop …" }).click();
    expect(await letterIds()).toHaveLength(2);
    await page.getByRole("button", { name: "Drop this dead letter" }).click();
    await page.getByRole("status").getByText("1 dropped.").waitFor();
    await page.getByRole("link", { name: "Drop it …" }).click();
    await page.getByRole("button", { name: "Drop 1 dead letter" }).click();
    await page.getByText("There are none").waitFor();
    expect(await letterIds()).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test("changes appear as they commit; a pause holds them back, and what it held back follows it", async () => {
    const guest = await mirror.enter({ key: ADMIN_KEY });
    const other = await mirror.enter({ key: ADMIN_KEY });
    for (const { open } of [guest, other]) await open("changes?types=user");
    const newest = ({ page }: Guest) => page.locator("#changes tr").first();
    const ids = mirror.sandbox.clerk.users().map((user) => String(user.id));
    const [seen, held] = [ids[2] ?? "", ids[3] ?? ""];
    mirror.sandbox.clerk.updateUser(seen, { first_name: "Seen" });
    await newest(guest).getByRole("link", { name: seen }).waitFor();
    await guest.page.getByRole("button", { name: "Pause" }).click();
    mirror.sandbox.clerk.updateUser(held, { first_name: "Held back" });
    await newest(other).getByRole("link", { name: held }).waitFor();
    expect(await newest(guest).getByRole("link").textContent()).toBe(seen);
    await guest.page.getByRole("button", { name: "Pause" }).click();
    await newest(guest).getByRole("link", { name: held }).waitFor();
    await newest(guest).getByRole("link").click();
    await guest.page.getByRole("heading", { level: 1, name: "Held back" }).waitFor();
    expect([...guest.complaints, ...other.complaints]).toEqual([]);
  });
});

async function letterIds(): Promise<string[]> {
  const answer = await mirror.ask("GET", "/mirror/dead-letters");
  const { data } = (await answer.json()) as { data: { id: string }[] };
  return data.map(({ id }) => id);
}
