// Covers src/http/dashboard/parts/

import { expect, test } from "vitest";
import { PAGES } from "../../../src/http/dashboard/pages/pages.js";
import { barriersIn, type Guest, PHONE, signIn } from "./browser.js";
import { startPrefixProxy } from "./prefix-proxy.js";
import { ADMIN_KEY, useMirror } from "./visited-mirror.js";

const PREFIX = "/tools/mirror";

const mirror = useMirror();

const LOOKS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  "light, on a telephone": { colorScheme: "light", viewport: PHONE },
  "dark, on a telephone": { colorScheme: "dark", viewport: PHONE },
} as const;

test.each(Object.entries(LOOKS))(
  "no page keeps anybody out, has to be scrolled sideways, or runs what a name says, where it is %s",
  async (_, context) => {
    const guest = await mirror.enter({ context });
    await guest.open("sign-in");
    const found = [await wrongWith(guest, "sign-in")];
    await signIn(guest.page, ADMIN_KEY);
    for (const path of mirror.everyPath()) {
      await guest.open(path);
      found.push(await wrongWith(guest, path));
    }
    expect(found.filter((wrong) => wrong.length > 0)).toEqual([]);
  },
  120_000,
);

test("each page weighs at most 100 kB at the first visit, as it comes over the network", async () => {
  const guest = await mirror.enter({ key: ADMIN_KEY });
  const cdp = await guest.page.context().newCDPSession(guest.page);
  await cdp.send("Network.enable");
  await cdp.send("Network.setCacheDisabled", { cacheDisabled: true });
  let bytes = 0;
  cdp.on("Network.loadingFinished", ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  const wrong: string[] = [];
  for (const { path } of PAGES) {
    bytes = 0;
    await guest.open(path);
    if (bytes < 40_000 || bytes > 100_000) wrong.push(`${path}: ${bytes} bytes`);
  }
  expect(wrong).toEqual([]);
});

test("all pages stay below the prefix of a proxy, links, assets and forms too", async () => {
  const proxy = await startPrefixProxy(mirror.url, PREFIX);
  try {
    const { page, complaints } = await mirror.enter({ url: proxy.url, key: ADMIN_KEY });
    expect(new URL(page.url()).pathname).toBe(`${PREFIX}/dashboard/`);
    const links = page.getByRole("navigation", { name: "Pages" });
    for (const { title, path } of PAGES) {
      await links.getByText(title, { exact: true }).click();
      await page.waitForURL(`${proxy.url}/dashboard/${path}`);
    }
    await page.getByTitle("Change the colours").click();
    await page.locator("html[data-theme=dark]").waitFor();
    expect(new URL(page.url()).pathname.startsWith(`${PREFIX}/dashboard/`)).toBe(true);
    expect(complaints).toEqual([]);
  } finally {
    proxy.close();
  }
});

test("each page can be read without a script", async () => {
  const guest = await mirror.enter({ key: ADMIN_KEY, context: { javaScriptEnabled: false } });
  for (const { path, title } of PAGES) {
    expect([path, await guest.open(path)]).toEqual([path, 200]);
    expect(await guest.page.getByRole("heading", { level: 1 }).textContent()).toBe(title);
  }
});

/** How much wider a page is than what it is shown in, once its charts have the width of their places: some frames later at most. */
const OVERFLOW = `new Promise((resolve) => {
  const giveUpAt = performance.now() + 3000;
  const look = () => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth === clientWidth || performance.now() > giveUpAt) resolve(scrollWidth - clientWidth);
    else requestAnimationFrame(look);
  };
  look();
})`;

async function wrongWith({ page }: Guest, path: string): Promise<string[]> {
  const overflow = await page.evaluate(OVERFLOW);
  const squeezed = await page.evaluate(
    "[...document.querySelectorAll('td')].filter((cell) => cell.clientWidth < 50 && cell.clientHeight > 100).length",
  );
  const wrong = await barriersIn(page);
  if (overflow !== 0) wrong.push(`${overflow} px too wide`);
  if (squeezed !== 0) wrong.push(`${squeezed} cells have a letter or two a line`);
  if ((await page.locator('img[src="x"]').count()) > 0) wrong.push("a name became an element");
  return wrong.map((one) => `${path}: ${one}`);
}
