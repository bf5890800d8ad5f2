// Covers src/http/dashboard/parts/

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { barriersIn, type Guest, PHONE, signIn } from "./browser.js";
import { ADMIN_KEY, openMirror, type VisitedMirror } from "./visited-mirror.js";

let mirror: VisitedMirror;

beforeAll(async () => {
  mirror = await openMirror();
}, 120_000);

afterEach(() => mirror.leave());
afterAll(() => mirror?.close());

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

async function wrongWith({ page }: Guest, path: string): Promise<string[]> {
  const overflow = await page.evaluate(
    "document.documentElement.scrollWidth - document.documentElement.clientWidth",
  );
  const wrong = await barriersIn(page);
  if (overflow !== 0) wrong.push(`${overflow} px too wide`);
  if ((await page.locator('img[src="x"]').count()) > 0) wrong.push("a name became an element");
  return wrong.map((one) => `${path}: ${one}`);
}
