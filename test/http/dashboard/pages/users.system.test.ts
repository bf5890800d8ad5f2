import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Guest } from "../browser.js";
import { ADMIN_KEY, HOSTILE, openMirror, type VisitedMirror } from "../visited-mirror.js";

let mirror: VisitedMirror;

beforeAll(async () => {
  mirror = await openMirror();
}, 120_000);

afterEach(() => mirror.leave());
afterAll(() => mirror?.close());

const rowsOf = ({ page }: Guest) => page.locator("#results tbody tr");

describe("users, in a browser", () => {
  test("are found while somebody types, and the address keeps what was typed", async () => {
    const guest = await mirror.enter({ key: ADMIN_KEY });
    await guest.open("users");
    expect(await rowsOf(guest).count()).toBeGreaterThan(1);
    await guest.page.getByRole("searchbox").pressSequentially("hostile@exam");
    await expect.poll(() => rowsOf(guest).count()).toBe(1);
    expect(await rowsOf(guest).textContent()).toContain(HOSTILE);
    await expect.poll(() => new URL(guest.page.url()).searchParams.get("q")).toBe("hostile@exam");
    await guest.page.reload();
    expect(await guest.page.getByRole("searchbox").inputValue()).toBe("hostile@exam");
    expect(await rowsOf(guest).count()).toBe(1);
    expect(guest.complaints).toEqual([]);
  });

  test("are filtered by a row of the builder, which writes the filter in both languages and a link to keep", async () => {
    const guest = await mirror.enter({ key: ADMIN_KEY });
    const { page } = guest;
    await guest.open("users");
    await page.getByText("Filter by fields and metadata").click();
    await page.getByLabel("Field").first().fill("email_address");
    await page.getByLabel("Value").first().fill("hostile@example.com");
    await page.getByLabel("Value").first().press("Enter");
    await expect.poll(() => rowsOf(guest).count()).toBe(1);
    expect(await page.locator("#filter-json").textContent()).toContain("hostile@example.com");
    expect(await page.locator("#filter-scim").textContent()).toContain("hostile@example.com");

    const other = await mirror.enter({ key: ADMIN_KEY });
    await other.page.goto(
      new URL((await page.locator("#filter-link").getAttribute("href")) ?? "", mirror.url).href,
    );
    expect(await rowsOf(other).count()).toBe(1);
    expect([...guest.complaints, ...other.complaints]).toEqual([]);
  });
});

describe("a user, in a browser", () => {
  test("is banned at Clerk after a question, and shown as banned at once", async () => {
    const { userId } = mirror.hostile;
    const guest = await mirror.enter({ key: ADMIN_KEY });
    const { page } = guest;
    await guest.open(`users/${userId}`);
    await page.getByRole("link", { name: "Ban …" }).click();
    await page.getByRole("heading", { level: 1, name: "Ban " }).waitFor();
    expect(mirror.sandbox.clerk.user(userId)).toMatchObject({ banned: false });
    await page.getByRole("button", { name: "Ban", exact: true }).click();
    await page.getByRole("link", { name: "Lift the ban …" }).waitFor();
    expect(mirror.sandbox.clerk.user(userId)).toMatchObject({ banned: true });
    expect(guest.complaints).toEqual([]);
  });

  test("offers nothing that changes them to a key that may only read, which the server refuses too", async () => {
    const { userId } = mirror.hostile;
    const { key } = await mirror.makeKey("reader", "users:read");
    const guest = await mirror.enter({ key });
    await guest.open(`users/${userId}`);
    expect(await guest.page.getByRole("link", { name: "Ban …" }).count()).toBe(0);
    expect(guest.complaints).toEqual([]);
    expect(await guest.open(`users/${userId}/ban`)).toBe(403);
  });
});
