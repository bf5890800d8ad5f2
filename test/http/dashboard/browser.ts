import axe, { type AxeResults } from "axe-core";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { CHROMIUM } from "../../support/system-packages.js";

// Chromium as a visitor of the dashboard, for `*.system.test.ts`.

/** A headless browser that asks nobody anything by itself. Each start has a fresh profile. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ],
  });

/** A telephone, upright. */
export const PHONE = { width: 390, height: 844 };

export interface Guest {
  page: Page;
  /** Errors in the console, exceptions, and requests to anybody but the mirror, in order. None is right. */
  complaints: string[];
  /** Opens a page of the dashboard, `users?q=ada`, and returns its status. */
  open(path: string): Promise<number>;
  close(): Promise<void>;
}

export interface GuestOptions {
  /** Where the mirror answers, with the prefix of a proxy if there is one. */
  url: string;
  /** Signs in with it. */
  key?: string;
  context?: BrowserContextOptions;
}

/** Somebody with a browser of their own, without anything of earlier visits. */
export async function welcome(browser: Browser, { url, key, context = {} }: GuestOptions): Promise<Guest> {
  const own = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...context });
  const page = await own.newPage();
  const complaints: string[] = [];
  const { origin } = new URL(url);
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`${message.text()} ${message.location().url}`.trim());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const asked = new URL(request.url());
    if (asked.protocol !== "data:" && asked.origin !== origin) complaints.push(`asked ${request.url()}`);
  });
  const guest: Guest = {
    page,
    complaints,
    async open(path) {
      const answer = await page.goto(`${url}/dashboard/${path}`);
      return answer?.status() ?? 0;
    },
    close: () => own.close(),
  };
  if (key !== undefined) {
    await guest.open("");
    await signIn(page, key);
  }
  return guest;
}

/** Enters the key where the sign-in page asks for it, and waits for what comes then. */
export async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel("API key").fill(key);
  await Promise.all([
    page.waitForEvent("domcontentloaded"),
    page.getByRole("button", { name: "Sign in" }).click(),
  ]);
}

/** What axe finds serious or critical in a page as it is shown, each with the elements that it means. */
export async function barriersIn(page: Page): Promise<string[]> {
  // As text, because the policy of the dashboard forbids a page to load it.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<AxeResults>("axe.run()");
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`);
}
