/**
 * Makes the pictures of the dashboard in `docs/images`: starts the demo, signs in with Debian's Chromium, and writes what each page looks like.
 * A picture that is too heavy for a page of documentation ends it with an error.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import { emptied } from "../src/cli/demo/demo.js";
import { PHONE, startBrowser, welcome } from "../test/http/dashboard/browser.js";

const ROOT = join(import.meta.dirname, "..");
const IMAGES = join(ROOT, "docs/images");
const MOST_BYTES = 150_000;
const QUALITY = 82;
const SCREEN = { width: 1200, height: 900 };
const READY_MS = 180_000;
/** In half a minute one webhook of the demo gets lost, and a check finds that within twenty seconds. */
const HEALED_MS = 120_000;

interface Picture {
  name: string;
  /** Below the dashboard. */
  path: string;
  colors: "light" | "dark";
  isPhone?: boolean;
  /** What is done before it is taken. */
  prepare?: (page: Page) => Promise<unknown>;
}

const FILTER = `users?${new URLSearchParams([
  ["q", "anna"],
  ["field", "public_metadata.plan"],
  ["op", "eq"],
  ["value", "pro"],
  ["field", "last_active_at"],
  ["op", "gte"],
  ["value", "now-30d"],
])}`;
/** The demo's people have names in many scripts, for which a machine may lack fonts. */
const LATIN = /^[A-Z][a-z]+ [A-Z][a-z]+$/;
const open = (link: (page: Page) => Locator) => (page: Page) =>
  Promise.all([page.waitForEvent("domcontentloaded"), link(page).first().click()]);

const PICTURES: readonly Picture[] = [
  {
    name: "overview",
    path: "",
    colors: "light",
    prepare: (page) => page.locator(".chart.drawn").first().waitFor(),
  },
  {
    name: "overview-dark",
    path: "",
    colors: "dark",
    prepare: (page) => page.locator(".chart.drawn").first().waitFor(),
  },
  { name: "users", path: FILTER, colors: "light" },
  {
    name: "user",
    path: FILTER,
    colors: "light",
    prepare: open((page) => page.locator("#results td a").filter({ hasText: LATIN })),
  },
  { name: "users-phone", path: "users?q=anna", colors: "dark", isPhone: true },
  {
    name: "changes",
    path: "changes",
    colors: "light",
    prepare: (page) => page.locator("#changes tr").nth(11).waitFor(),
  },
  { name: "runs-dark", path: "runs", colors: "dark" },
  {
    name: "run",
    path: "runs?differences=true",
    colors: "light",
    prepare: open((page) => page.locator("#runs td a")),
  },
  { name: "dead-letters", path: "dead-letters", colors: "light" },
];

const folder = mkdtempSync(join(tmpdir(), "user-mirror-pictures-"));
const demo = spawn(process.execPath, ["--import", "tsx", join(ROOT, "src/cli/main.ts"), "demo"], {
  cwd: ROOT,
  env: { PATH: process.env.PATH ?? "", HOME: folder, DATA_DIR: folder, PORT: "0", LOG_LEVEL: "silent" },
  stdio: ["ignore", "pipe", "inherit"],
});
try {
  // Whatever it does then, it has ended.
  const deadline = setTimeout(() => demo.kill("SIGINT"), READY_MS);
  const { url, key } = await ready(demo).finally(() => clearTimeout(deadline));
  await healed(url, key);
  const browser = await startBrowser();
  try {
    mkdirSync(IMAGES, { recursive: true });
    for (const picture of PICTURES) {
      const bytes = await taken(browser, { url, key }, picture);
      if (bytes.byteLength > MOST_BYTES) throw new Error(`${picture.name} has ${bytes.byteLength} bytes`);
      writeFileSync(join(IMAGES, `${picture.name}.webp`), bytes);
      process.stdout.write(`${picture.name}.webp ${bytes.byteLength} bytes\n`);
    }
  } finally {
    await browser.close();
  }
} finally {
  const ended = once(demo, "close");
  demo.kill("SIGINT");
  await ended;
  await emptied(join(folder, "demo"));
  rmSync(folder, { recursive: true, force: true });
}

/** Where the demo answers, and the key that it prints. */
async function ready({ stdout }: ChildProcess): Promise<{ url: string; key: string }> {
  let printed = "";
  for await (const chunk of stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    printed += chunk;
    if (printed.includes("Ctrl-C ends it.")) break;
  }
  if (!printed.includes("Ctrl-C ends it.")) throw new Error("the demo ended before it was ready");
  const found = (pattern: RegExp) => pattern.exec(printed)?.[1] ?? "";
  return { url: found(/^ +Mirror +(\S+)/m), key: found(/API key +(\S+)/) };
}

/** Until a run has found and repaired something. */
async function healed(url: string, key: string): Promise<void> {
  const endsAtMs = performance.now() + HEALED_MS;
  while (performance.now() < endsAtMs) {
    const answer = await fetch(`${url}/mirror/runs?differences=true`, {
      headers: { Authorization: `Bearer ${key}` },
    });
    const { data } = (await answer.json()) as { data: { mode: string }[] };
    if (data.some(({ mode }) => mode !== "backfill")) return;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new Error("no drift was found in time");
}

/** As WebP, which Playwright itself doesn't write. */
async function taken(
  browser: Browser,
  mirror: { url: string; key: string },
  { path, colors, isPhone, prepare }: Picture,
): Promise<Buffer> {
  const context = { colorScheme: colors, viewport: isPhone ? PHONE : SCREEN };
  const guest = await welcome(browser, { ...mirror, context });
  try {
    await guest.open(path);
    await prepare?.(guest.page);
    await guest.page.mouse.move(0, 0);
    const cdp = await guest.page.context().newCDPSession(guest.page);
    const { width, height } = context.viewport;
    // Without the empty space below a short page.
    const end = await guest.page.evaluate<number>(
      "document.querySelector('main').getBoundingClientRect().bottom",
    );
    const clip = { x: 0, y: 0, width, height: Math.min(height, Math.ceil(end)), scale: 1 };
    const { data } = await cdp.send("Page.captureScreenshot", { format: "webp", quality: QUALITY, clip });
    if (guest.complaints.length > 0) throw new Error(guest.complaints.join("\n"));
    return Buffer.from(data, "base64");
  } finally {
    await guest.close();
  }
}
