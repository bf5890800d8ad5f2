// Covers src/http/dashboard/parts/{cohorts,status}.tsx, src/http/dashboard/visit/live.ts

import { describe, expect, test } from "vitest";
import { DAY_MS } from "../../../../src/lib/days.js";
import { AppError } from "../../../../src/lib/errors.js";
import { MIRROR_KEY, STATUS, standInApp } from "../../stand-ins.js";
import { signedIn } from "../visitor.js";

const NONE = { missed_create: 0, missed_update: 0, missed_delete: 0 };
const TROUBLED = {
  ...STATUS,
  ...{ state: "degraded", dead_letters: 4, lag: { p50: 31, p95: 107, p99: 131 } },
  last_runs: [
    {
      ...{
        id: "run_1",
        mode: "full",
        state: "failed",
        started_at: 1,
        finished_at: 2,
        eta: null,
        error: "<i>503</i>",
      },
      ...{ users: { seen: 1, expected: null }, differences: NONE },
    },
  ],
  drift: { found: { ...NONE, missed_create: 3 }, repaired: { ...NONE, missed_create: 2 } },
};
const admin = {
  configuration: () => [],
  status: { read: async () => TROUBLED },
  reconciler: standInApp().parts.admin.reconciler,
};
const readOnly = () => ({ name: "reader", scopes: new Set(["users:read"] as const) });

describe("the overview", () => {
  test("tells problems first, each with its next step, and what others wrote as text", async () => {
    const { app } = standInApp({ admin });
    const page = await (await (await signedIn(app, MIRROR_KEY)).get("/dashboard/")).text();
    const [problem, figures] = [page.indexOf("The last run failed"), page.indexOf('class="figures"')];
    expect(problem).toBeGreaterThan(0);
    expect(figures).toBeGreaterThan(problem);
    expect(page).toContain('href="/dashboard/dead-letters"');
    expect(page).toContain('href="/dashboard/runs/run_1"');
    expect(page).toContain("&lt;i&gt;503&lt;/i&gt;");
    expect(page).not.toContain("<i>503");
    for (const figure of [/31.ms/, /107.ms/, /0\.5/]) expect(page).toMatch(figure);
  });

  test("shares what it has just read with those who look at the same mirror alone", async () => {
    const pages = [standInApp(), standInApp({ admin })].map(async ({ app }) =>
      (await (await signedIn(app, MIRROR_KEY)).get("/dashboard/")).text(),
    );
    const [well, troubled] = await Promise.all(pages);
    expect(well).not.toContain("The last run failed");
    expect(troubled).toContain("The last run failed");
  });

  test("shows a key that reads users the charts, and nothing of what only an admin may know", async () => {
    const { app } = standInApp({ admin, authenticate: readOnly });
    const visitor = await signedIn(app, "um_reader");
    const page = await (await visitor.get("/dashboard/")).text();
    expect(page).toContain("Sign-ups");
    expect(page).not.toMatch(/last run|Dead letters|data-live/i);
  });

  test("takes range and zone from the address, and asks for sign-ups in that zone", async () => {
    const { app, asked } = standInApp({ admin });
    const page = await (await signedIn(app, MIRROR_KEY)).get("/dashboard/?range=30d&zone=Asia/Tokyo");
    expect(await page.text()).toContain('value="Asia/Tokyo"');
    expect(asked).toContainEqual(["daily", expect.any(String), "2026-11-29"]);
    const aggregate = asked.find((one) => (one as string[])[0] === "aggregate");
    expect(JSON.stringify(aggregate)).toContain('"zone":"Asia/Tokyo"');
  });

  test("brings what takes longer behind the page, and by a link without a script", async () => {
    const { app, asked } = standInApp({ admin });
    const visitor = await signedIn(app, MIRROR_KEY);
    const page = await (await visitor.get("/dashboard/?range=30d")).text();
    expect(page).toContain('href="/dashboard/overview/activity?range=30d"');
    expect(asked.some((one) => (one as string[])[0] === "retention")).toBe(false);
    const part = await visitor.get("/dashboard/overview/activity?range=30d");
    expect(await part.text()).toContain('id="activity"');
    expect(asked.some((one) => (one as string[])[0] === "retention")).toBe(true);
    // From a day on, not from a moment: the answer is kept as long as nothing changes.
    const valueMs = Number(/"retention".*"valueMs":(\d+)/.exec(JSON.stringify(asked))?.[1]);
    expect(valueMs % DAY_MS).toBe(0);
  });

  test("stays up to date by events until its key is revoked", async () => {
    let isRevoked = false;
    const { app } = standInApp({
      admin,
      authenticate() {
        if (isRevoked) throw new AppError("unauthenticated", "revoked");
        return { name: "admin", scopes: new Set(["users:read", "admin"]) };
      },
    });
    const answer = await (await signedIn(app, "um_admin")).get("/dashboard/overview/live");
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    const read = async () => (await reader.read()).value ?? "";
    expect(await read()).toContain(": live");
    const event = await read();
    expect(event).toMatch(/^event: replace\ndata: ".*The last run failed/);
    isRevoked = true;
    expect(await read()).toBe("event: end\ndata: 0\n\n");
    expect((await reader.read()).done).toBe(true);
  });

  test("sends no status by events to who may not know it", async () => {
    const { app } = standInApp({ admin, authenticate: readOnly });
    const answer = await (await signedIn(app, "um_reader")).get("/dashboard/overview/live");
    expect(answer.status).toBe(403);
  });
});
