// Covers src/http/dashboard/pages/run.tsx

import { describe, expect, test } from "vitest";
import { MIRROR_KEY, RUN, standInApp } from "../../stand-ins.js";
import { signedIn } from "../visitor.js";

describe("the page of runs", () => {
  test("lists runs and shows one with what it found", async () => {
    const { app } = standInApp();
    const visitor = await signedIn(app, MIRROR_KEY);
    const list = await visitor.get("/dashboard/runs");
    expect(list.status).toBe(200);
    expect(await list.text()).toContain('data-live="/dashboard/runs/live"');
    const one = await visitor.get(`/dashboard/runs/${RUN.id}`);
    expect(one.status).toBe(200);
    expect(await one.text()).toContain(RUN.id);
    expect((await visitor.get("/dashboard/runs/run_9")).status).toBe(404);
  });

  test("starts a run and goes to it, and refuses a kind that there isn't", async () => {
    const { app, asked } = standInApp();
    const visitor = await signedIn(app, MIRROR_KEY);
    const csrf = await visitor.csrf();
    const started = await visitor.post("/dashboard/runs", { csrf, mode: "full" });
    expect([started.status, started.headers.get("location")]).toEqual([303, "/dashboard/runs/run_1"]);
    expect(asked).toContainEqual(["start", "full"]);
    expect((await visitor.post("/dashboard/runs", { csrf, mode: "purge" })).status).toBe(422);
  });

  test("asks before it stops one", async () => {
    const { app } = standInApp();
    const visitor = await signedIn(app, MIRROR_KEY);
    expect(await (await visitor.get(`/dashboard/runs/${RUN.id}/stop`)).text()).toContain("Stop the run");
    const stopped = await visitor.post(`/dashboard/runs/${RUN.id}/stop`, { csrf: await visitor.csrf() });
    expect([303, 409]).toContain(stopped.status);
  });

  test("is closed to a key without the scope admin", async () => {
    const { app, asked } = standInApp({
      authenticate: () => ({ name: "k", scopes: new Set(["users:read"]) }),
    });
    const visitor = await signedIn(app, "um_k");
    const csrf = await visitor.csrf();
    for (const path of ["/dashboard/runs", "/dashboard/runs/live", `/dashboard/runs/${RUN.id}/live`])
      expect((await visitor.get(path)).status).toBe(403);
    expect((await visitor.post("/dashboard/runs", { csrf, mode: "full" })).status).toBe(403);
    expect(asked.map((one) => (one as string[])[0])).not.toContain("start");
  });
});
