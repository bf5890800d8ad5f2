// Covers src/http/dashboard/pages/user*.tsx, src/http/dashboard/pages/organizations.tsx

import type { Locator, Page, Route } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import type { Guest } from "./browser.js";
import { EVERY_ORDER, holdAnswers } from "./held-answers.js";
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

test.each(["users", "organizations"])(
  "what is typed before the scripts of a page have come is searched for then: %s",
  async (path) => {
    const { page, complaints } = await mirror.enter({ key: ADMIN_KEY });
    const held: Route[] = [];
    await page.route("**/assets/**/*.js", (route) => void held.push(route));
    // Scripts that were seen before come from the browser's cache, which a route turns off.
    await page.goto(`${mirror.url}/dashboard/${path}`, { waitUntil: "commit" });
    await page.getByRole("searchbox").fill("nobody-has-this-name");
    await expect.poll(() => held.length).toBe(4);
    await Promise.all(held.map((route) => route.continue()));
    await page.waitForURL(`**/dashboard/${path}?q=nobody-has-this-name`);
    expect(await rowsOf(page).count()).toBe(0);
    expect(complaints).toEqual([]);
  },
);

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

/** Opens the builder with a row that is applied, and holds the answers from then on. */
async function holdBuilder({ page, open }: Guest, ...rows: string[]) {
  await open(`users${rows.length > 0 ? `?${rows.join("&")}` : ""}`);
  if (rows.length === 0) await page.getByText("Filter by fields and metadata").click();
  return holdAnswers(page);
}

const row = (field: string, op: string, value: string) => `field=${field}&op=${op}&value=${value}`;
/** A page of its own with the builder open. */
async function enterBuilder(...rows: string[]) {
  const guest = await mirror.enter({ key: ADMIN_KEY });
  return { ...guest, held: await holdBuilder(guest, ...rows) };
}

const scimOf = (page: Page) => page.locator("#filter-scim");

test("what is entered is sent, and stays, whenever the answers to what was entered before come", async () => {
  const guest = await mirror.enter({ key: ADMIN_KEY });
  const { page } = guest;
  const [field, op, value] = ["field", "op", "value"].map((name) => page.locator(`#row-0-${name}`)) as [
    ...[field: Locator, op: Locator, value: Locator],
  ];
  for (const [first, second, third] of EVERY_ORDER) {
    const held = await holdBuilder(guest);
    await field.fill("created_at");
    await field.press("Tab");
    await first(held);
    await op.selectOption("gte");
    await second(held);
    await value.fill("now-1d");
    await third(held);
    await value.press("Tab");
    await held.release();
    await scimOf(page).getByText('meta.created ge "now-1d"', { exact: true }).waitFor();
    expect([await op.inputValue(), await value.inputValue()]).toEqual(["gte", "now-1d"]);
  }
  expect(guest.complaints).toEqual([]);
}, 120_000);

test("a text that is taken back while an answer is on its way leaves that answer's", async () => {
  const { page, complaints, held } = await enterBuilder();
  await page.locator("#row-0-field").fill("username");
  await page.locator("#row-0-field").press("Tab");
  await page.locator("#row-0-value").fill("nobody");
  await held.letIn();
  // The browser says of no change where a text is the same as before.
  await page.locator("#row-0-value").fill("");
  await page.locator("#row-0-value").press("Tab");
  await held.release();
  await page.locator("#row-0-problem").getByText("Enter a value").waitFor();
  await page.locator("#row-1-field").waitFor();
  expect(complaints).toEqual([]);
});

test.each(["first", "last"] as const)(
  "what is searched for while a filter is on its way is found within it, where the %s answer comes before the other",
  async (which) => {
    const { page, complaints, held } = await enterBuilder(row("public_metadata.plan", "ne", "analytical"));
    await page.locator("#row-0-op").selectOption("eq");
    await held.untilAsked(1);
    await page.locator("#q").fill("nobody");
    await held.untilAsked(2);
    await held.letIn(which);
    await page.locator("#q").press("Tab");
    await held.release();
    await scimOf(page).getByText('public_metadata.plan eq "analytical"', { exact: true }).waitFor();
    await page.getByText("Nobody matches").waitFor();
    await page.waitForURL((url) => url.searchParams.get("q") === "nobody" && url.searchParams.has("field"));
    expect(await page.locator("#q").inputValue()).toBe("nobody");
    expect(complaints).toEqual([]);
  },
);

test("an answer whose place another one has replaced doesn't change the address", async () => {
  const { page, complaints, held } = await enterBuilder();
  await page.locator("#q").fill("nobody");
  await held.untilAsked(1);
  await page.locator("#q").fill("lovelace");
  await page.locator("#q").press("Enter");
  await held.letIn("last");
  await page.waitForURL("**/dashboard/users?q=lovelace");
  await held.letIn();
  await held.release();
  expect(new URL(page.url()).search).toBe("?q=lovelace");
  expect(await rowsOf(page).allTextContents()).toEqual([expect.stringContaining("Ada Lovelace")]);
  expect(complaints).toEqual([]);
});

test("columns that are chosen while an answer is on its way stay chosen, and are shown", async () => {
  const { page, complaints, held } = await enterBuilder();
  await page.locator("#row-0-field").fill("last_name");
  await page.locator("#row-0-field").press("Tab");
  await page.getByText("Columns and order").click();
  await page.getByLabel("last_name", { exact: true }).check();
  await page.getByLabel("Order", { exact: true }).fill("last_name");
  await held.letIn();
  await page.getByLabel("Order", { exact: true }).press("Tab");
  await held.release();
  await page.locator("#results th").getByText("last_name ▲").waitFor();
  expect(await page.getByLabel("last_name", { exact: true }).isChecked()).toBe(true);
  expect(complaints).toEqual([]);
});

test("what is written by hand, and what is folded out, outlives the answer to a search beside it", async () => {
  const { page, complaints, held } = await enterBuilder();
  await page.locator("#row-0-field").fill("username");
  await page.locator("#row-0-field").press("Tab");
  await page.getByText("Write a filter by hand").click();
  await page.getByLabel("The filter", { exact: true }).fill('userName ne "nobody"');
  await held.letIn();
  await page.locator("#row-0-problem").getByText("Enter a value").waitFor();
  expect(await page.locator("#filter-text:focus").inputValue()).toBe('userName ne "nobody"');
  await held.release();
  await page.getByRole("button", { name: "Use this filter" }).click();
  await scimOf(page).getByText('userName ne "nobody"', { exact: true }).waitFor();
  expect(complaints).toEqual([]);
});

test("a condition that is removed while answers are on their way is gone, and the others keep what is entered in them", async () => {
  const { page, complaints, held } = await enterBuilder(
    row("username", "ne", "a"),
    row("first_name", "ne", "b"),
    row("last_name", "ne", "c"),
  );
  await page.locator("#row-2-value").fill("d");
  await page.getByRole("button", { name: "Remove condition 1" }).click();
  await page.locator("#row-1-value").fill("e");
  await held.letIn();
  await held.letIn();
  await page.locator("#row-1-value").press("Tab");
  await held.release();
  await scimOf(page).getByText('name.givenName ne "b" and name.familyName ne "e"', { exact: true }).waitFor();
  expect(complaints).toEqual([]);
});

test("a condition whose field is emptied goes, and what is entered meanwhile stays in its own", async () => {
  const { page, complaints, held } = await enterBuilder(
    row("username", "ne", "a"),
    row("first_name", "ne", "b"),
  );
  await page.locator("#row-0-field").fill("");
  await page.locator("#row-0-field").press("Tab");
  await page.locator("#row-0-value").fill("c");
  await held.letIn();
  await page.locator("#row-0-value").press("Tab");
  await held.release();
  await scimOf(page).getByText('name.givenName ne "c"', { exact: true }).waitFor();
  expect(complaints).toEqual([]);
});

test("a condition is removed by its own button alone, whatever is sent while that has the focus", async () => {
  const { page, complaints, held } = await enterBuilder(row("username", "ne", "a"));
  await page.locator("#row-0-op").selectOption("eq");
  await page.locator("#row-0-value").fill("b");
  await page.locator("#row-0-value").press("Tab");
  expect(await page.evaluate("document.activeElement?.id")).toBe("row-0-remove");
  await held.letIn();
  await held.release();
  await scimOf(page).getByText('userName eq "b"', { exact: true }).waitFor();
  expect(complaints).toEqual([]);
});

test("what is entered while an answer is on its way stays, and is sent", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  await open("users");
  await page.getByText("Filter by fields and metadata").click();
  const { untilAsked, release } = await holdAnswers(page);
  await page.locator("#row-0-field").fill("username");
  await page.locator("#row-0-field").press("Tab");
  await untilAsked(1);
  await page.locator("#row-0-op").selectOption("ne");
  await page.locator("#row-0-value").fill("nobody");
  await release();
  await page.locator("#filter-scim").getByText('userName ne "nobody"').waitFor();
  expect(complaints).toEqual([]);
});

test("a filter that is typed and sent without a pause, before the first answer has come, is applied", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  await open("users");
  await page.getByText("Filter by fields and metadata").click();
  const { untilAsked, release } = await holdAnswers(page);
  await page.locator("#row-0-field").fill("public_metadata.plan");
  await page.locator("#row-0-field").press("Tab");
  await untilAsked(1);
  await page.locator("#row-0-value").fill("analytical");
  await page.locator("#row-0-value").press("Enter");
  await release();
  await page.locator("#filter-scim").getByText('public_metadata.plan eq "analytical"').waitFor();
  expect(await rowsOf(page).allTextContents()).toEqual([expect.stringContaining("Ada Lovelace")]);
  expect(complaints).toEqual([]);
});

test("what is typed while an answer is on its way is searched for behind it", async () => {
  const { page, complaints, open } = await mirror.enter({ key: ADMIN_KEY });
  await open("users");
  const { untilAsked, release } = await holdAnswers(page);
  await page.getByRole("searchbox").pressSequentially("nobody");
  await untilAsked(1);
  const isDue = page.evaluate(
    'new Promise((due) => document.querySelector("#q").addEventListener("htmx:trigger", () => due(), { once: true }))',
  );
  await page.getByRole("searchbox").fill("lovelace");
  await isDue;
  await release();
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
