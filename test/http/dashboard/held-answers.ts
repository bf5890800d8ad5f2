import type { Page, Route } from "playwright-core";
import { expect } from "vitest";

/** Counts what htmx asks for, and what of it the page has taken in. */
const COUNTED = `
  window.asked = window.answered = 0;
  document.addEventListener("htmx:beforeSend", ({ detail }) => {
    window.asked += 1;
    detail.xhr.addEventListener("loadend", () => (window.answered += 1));
  });`;

type HeldAnswers = Awaited<ReturnType<typeof holdAnswers>>;

/** From now on each answer of the dashboard to htmx waits until the test lets it in. The page is open already. */
export async function holdAnswers(page: Page) {
  let held: Route[] | null = [];
  await page.evaluate(COUNTED);
  await page.route(
    (url) => url.pathname.includes("/dashboard/"),
    (route) => {
      if (held && route.request().headers()["hx-request"]) held.push(route);
      else void route.continue();
    },
  );
  const count = (what: "asked" | "answered") => page.evaluate<number>(`window.${what}`);
  const onTheirWay = async () => (await count("asked")) - (await count("answered"));
  const untilAsked = (n: number) => expect.poll(() => held?.length, { timeout: 10_000 }).toBe(n);

  /** Lets in the one that was asked for first, or last, and returns when the page has taken it. False: none is on its way. */
  async function letIn(which: "first" | "last" = "first"): Promise<boolean> {
    const waiting = await onTheirWay();
    if (waiting === 0) return false;
    await untilAsked(waiting);
    const answered = await count("answered");
    const route = which === "first" ? held?.shift() : held?.pop();
    await route?.continue();
    await expect.poll(() => count("answered"), { timeout: 10_000 }).toBe(answered + 1);
    return true;
  }

  return {
    letIn,
    /** Until so many are on their way. */
    untilAsked,
    /** Lets in all that wait, and all that come from now on. */
    async release(): Promise<void> {
      const waiting = held ?? [];
      held = null;
      await Promise.all(waiting.map((route) => route.continue()));
    },
  };
}

const none = async () => {};
const next = (held: HeldAnswers) => held.letIn();
const all = async (held: HeldAnswers) => {
  while (await held.letIn());
};

/**
 * Each way in which the answers to three questions can come before somebody's next step: behind the first, the second and the third
 * question none comes, the next, or all that are on their way.
 */
export const EVERY_ORDER = [none, next].flatMap((first) =>
  [none, next, all].flatMap((second) => [none, next, all].map((third) => [first, second, third] as const)),
);
