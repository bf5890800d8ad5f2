// Covers src/http/dashboard/pages/user*.tsx, src/http/dashboard/pages/organizations.tsx

import type { Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { ADMIN_KEY, HOSTILE, useMirror } from "./visited-mirror.js";

const mirror = useMirror();
let ada: string;

beforeAll(async () => {
  const made = await mirror.ask("POST", "/v1/users", {
    ...{ first_name: "Ada", last_name: "Lovelace", email_address: ["ada@analytical.example"] },
    ...{ public_metadata: { plan: "analytical" }, skip_password_requirement: true },
  });
  ({ id: ada } = (await made.json()) as { id: string });
}, 120_000);

const rowsOf = (page: Page) => page.locator("#results tbody tr");

/** Keeps the next list of users on its way until it is released. */
async function holdNextAnswer(page: Page) {
  let release = () => {};
  const isReleased = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route("**/dashboard/users?*", (route) => isReleased.then(() => route.continue()), { times: 1 });
  return { isAsked: page.waitForRequest("**/dashboard/users?*"), release };
}

test("users are found as one types, and the address shows the same again", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  await open("users");
  await page.keyboard.press("/");
  await page.keyboard.type("lovelace", { delay: 20 });
  await page.getByText("1 user", { exact: true }).waitFor();
  expect(await rowsOf(page).allTextContents()).toEqual([expect.stringContaining("Ada Lovelace")]);
  // What was typed stays where it is typed.
  expect(await page.locator("#q:focus").inputValue()).toBe("lovelace");
  await page.waitForURL("**/dashboard/users?q=lovelace");
  await page.reload();
  expect(await rowsOf(page).count()).toBe(1);
  expect(complaints).toEqual([]);
});

test("a filter is built row by row, shown as JSON and SCIM, and kept as a link", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  await open("users");
  await page.getByText("Filter by fields and metadata").click();
  await page.locator("#row-0-field").fill("public_metadata.plan");
  await page.locator("#row-0-field").press("Tab");
  await page.locator("#row-0-problem").getByText("Enter a value").waitFor();
  await page.locator("#row-0-value").fill("analytical");
  await page.locator("#row-0-value").press("Enter");
  await page.locator("#filter-json").getByText("analytical").waitFor();
  await page.locator("#row-1-field").fill("created_at");
  await page.locator("#row-1-field").press("Tab");
  await page.locator("#row-1-op").selectOption("gte");
  await page.locator("#row-1-value").fill("yesterday");
  await page.locator("#row-1-value").press("Tab");
  await page.locator("#row-1-problem").getByText("must be a time").waitFor();
  await page.locator("#row-1-value").fill("now-1d");
  await page.locator("#row-1-value").press("Tab");
  const scim = 'public_metadata.plan eq "analytical" and meta.created ge "now-1d"';
  await page.locator("#filter-scim").getByText(scim, { exact: true }).waitFor();

  const link = await page.getByRole("link", { name: "This list" }).getAttribute("href");
  const other = await mirror.enter({ key: ADMIN_KEY });
  await other.page.goto(new URL(link ?? "", mirror.url).href);
  expect(await rowsOf(other.page).allTextContents()).toEqual([expect.stringContaining("Ada Lovelace")]);
  expect(await other.page.locator("#row-1-value").inputValue()).toBe("now-1d");
  await page.getByRole("button", { name: "Remove condition 2" }).click();
  await page
    .locator("#filter-scim")
    .getByText('public_metadata.plan eq "analytical"', { exact: true })
    .waitFor();
  expect([...complaints, ...other.complaints]).toEqual([]);
});

test("what is entered while an answer is on its way stays, and is sent", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  await open("users");
  await page.getByText("Filter by fields and metadata").click();
  const { isAsked, release } = await holdNextAnswer(page);
  await page.locator("#row-0-field").fill("username");
  await page.locator("#row-0-field").press("Tab");
  await isAsked;
  await page.locator("#row-0-op").selectOption("ne");
  await page.locator("#row-0-value").fill("nobody");
  release();
  await page.locator("#filter-scim").getByText('userName ne "nobody"').waitFor();
  expect(complaints).toEqual([]);
});

test("a filter that is typed and sent without a pause, before the first answer has come, is applied", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  await open("users");
  await page.getByText("Filter by fields and metadata").click();
  const { isAsked, release } = await holdNextAnswer(page);
  await page.locator("#row-0-field").fill("public_metadata.plan");
  await page.locator("#row-0-field").press("Tab");
  await isAsked;
  await page.locator("#row-0-value").fill("analytical");
  await page.locator("#row-0-value").press("Enter");
  release();
  await page.locator("#filter-scim").getByText('public_metadata.plan eq "analytical"').waitFor();
  expect(await rowsOf(page).allTextContents()).toEqual([expect.stringContaining("Ada Lovelace")]);
  expect(complaints).toEqual([]);
});

test("what is typed while an answer is on its way is searched for behind it", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  await open("users");
  const { isAsked, release } = await holdNextAnswer(page);
  await page.getByRole("searchbox").pressSequentially("nobody");
  await isAsked;
  const isDue = page.evaluate(
    'new Promise((due) => document.querySelector("#q").addEventListener("htmx:trigger", () => due(), { once: true }))',
  );
  await page.getByRole("searchbox").fill("lovelace");
  await isDue;
  release();
  await page.waitForURL("**/dashboard/users?q=lovelace");
  expect(await rowsOf(page).allTextContents()).toEqual([expect.stringContaining("Ada Lovelace")]);
  expect(complaints).toEqual([]);
});

test("the number of users is estimated, and exact when it is asked for", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  await open("users");
  await page.getByRole("link", { name: "count exactly" }).click();
  const all = mirror.sandbox.clerk.users().length;
  await page.getByText(`${all} users`, { exact: true }).waitFor();
  await page.getByRole("link", { name: "Next 50" }).click();
  await page.getByRole("link", { name: "First page" }).waitFor();
  expect(complaints).toEqual([]);
});

test("what is shown is exported with its columns", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  await open("users?q=lovelace&column=email_address&column=public_metadata.plan");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Export CSV" }).click(),
  ]);
  expect(download.suggestedFilename()).toBe("users.csv");
  const chunks: Buffer[] = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).toString("utf8")).toBe(
    `id,email_address,public_metadata.plan\r\n${ada},ada@analytical.example,analytical\r\n`,
  );
  expect(complaints).toEqual([]);
});

test.each([{ javaScriptEnabled: true }, { javaScriptEnabled: false }])(
  "a user is banned after a question, and set free again: %j",
  async (context) => {
    const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY, context });
    await open(`users/${ada}`);
    await page.getByRole("link", { name: "Ban …", exact: true }).click();
    expect(mirror.sandbox.clerk.user(ada)?.banned).toBe(false);
    await page.getByRole("heading", { name: "Ban Ada Lovelace?" }).waitFor();
    await page.getByRole("button", { name: "Ban", exact: true }).click();
    await page.getByRole("status").getByText("The user is banned.").waitFor();
    expect(mirror.sandbox.clerk.user(ada)?.banned).toBe(true);
    await page.getByRole("link", { name: "Lift the ban" }).click();
    await page.getByRole("button", { name: "Lift the ban" }).click();
    await page.getByRole("status").getByText("The ban is lifted.").waitFor();
    expect(mirror.sandbox.clerk.user(ada)?.banned).toBe(false);
    expect(complaints).toEqual([]);
  },
);

test("a key that may only read is offered nothing that changes a user, and refused by the server", async () => {
  const { key } = await mirror.makeKey("reader", "users:read");
  const { page, complaints, open } = await mirror.enter({ key });
  await open(`users/${ada}`);
  expect(await page.getByRole("link", { name: "Ban …" }).count()).toBe(0);
  expect(complaints).toEqual([]);
  expect(await open(`users/${ada}/ban`)).toBe(403);
});

test("metadata are changed after a look at what changes", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  await open(`users/${ada}`);
  await page.getByRole("link", { name: "Edit metadata" }).click();
  await page.getByLabel("unsafe metadata").fill('{"theme": "dark"}');
  await page.getByRole("button", { name: "Look at the changes" }).click();
  await page.getByRole("cell", { name: '"dark"' }).waitFor();
  await page.getByRole("button", { name: "Change the metadata" }).click();
  await page.getByRole("status").getByText("The metadata are changed.").waitFor();
  expect(mirror.sandbox.clerk.user(ada)?.unsafe_metadata).toEqual({ theme: "dark" });
  expect(complaints).toEqual([]);
});

test("the same at Clerk is compared when it is asked for", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  await open(`users/${ada}`);
  await page.getByRole("button", { name: "Compare with Clerk now" }).click();
  await page.getByRole("status").getByText("Nothing differs").waitFor();
  expect(complaints).toEqual([]);
});

test("names and metadata of any kind are text, in lists and on the pages behind them", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  const { userId, organizationId } = mirror.hostile;
  for (const path of [
    `users?q=${encodeURIComponent(HOSTILE)}&column=public_metadata&column=unsafe_metadata.plan`,
    ...[`users/${userId}`, `users/${userId}/ban`, `users/${userId}/metadata`],
    ...[`organizations?q=${encodeURIComponent(HOSTILE)}`, `organizations/${organizationId}`],
  ]) {
    expect([path, await open(path)]).toEqual([path, 200]);
    expect(await page.content()).toContain("&lt;img src=x");
    expect(await page.locator('img[src="x"]').count()).toBe(0);
    expect(await page.title()).not.toBe("owned");
  }
  expect(complaints).toEqual([]);
});

test("organizations and their members are found as one types", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  await open("organizations");
  await page
    .getByRole("searchbox", { name: "Search organizations" })
    .pressSequentially("<img", { delay: 20 });
  await page.waitForURL("**/dashboard/organizations?q=%3Cimg");
  expect(await rowsOf(page).count()).toBe(1);
  await rowsOf(page).getByRole("link").click();
  await page.getByRole("searchbox", { name: "Search members" }).pressSequentially("nobody", { delay: 20 });
  await page.getByText("Nobody", { exact: true }).waitFor();
  expect(complaints).toEqual([]);
});
