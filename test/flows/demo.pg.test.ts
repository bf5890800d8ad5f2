// Covers src/cli/demo/{demo,introduction,past-visits,sandbox-process,unusable}.ts, src/sandbox/world/{traffic,visits}.ts

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { unprivilegedUser } from "../../src/db/embedded/binaries.js";
import { embeddedLocation } from "../../src/db/embedded/cluster.js";
import { removeEmbedded } from "../../src/db/embedded/postgres.js";
import { DAY_MS, dayOf } from "../../src/lib/days.js";
import { processesOf } from "../support/processes.js";
import { CLI } from "../support/programs.js";

const USERS = 200;

/** Starts a demo, and waits for what it says when it is ready. */
function demo(env: Record<string, string>) {
  let folder = "";
  let child: ChildProcess;
  let printed = "";
  const ready = { url: "", key: "" };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "user-mirror-demo-"));
    child = spawn(process.execPath, [CLI, "demo"], {
      cwd: folder,
      env: {
        PATH: process.env.PATH ?? "",
        HOME: folder,
        DATA_DIR: folder,
        PORT: "0",
        DEMO_USERS: String(USERS),
        ...env,
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    child.stdout?.on("data", (chunk: Buffer) => {
      printed += chunk;
    });
    await vi.waitUntil(() => printed.includes("Ctrl-C ends it."), { timeout: 90_000 });
    ready.url = /^ +Mirror +(\S+)/m.exec(printed)?.[1] ?? "";
    ready.key = /API key +(\S+)/.exec(printed)?.[1] ?? "";
  });

  afterAll(async () => {
    const ended = once(child, "close");
    child.kill("SIGINT");
    await ended;
    const left = () => processesOf(embeddedLocation(join(folder, "demo"), unprivilegedUser()));
    await vi.waitUntil(() => left().length === 0, { timeout: 30_000 });
    removeEmbedded(join(folder, "demo"));
    rmSync(folder, { recursive: true });
  });

  return {
    printed: () => printed,
    ready,
    async ask(path: string, body?: object) {
      const response = await fetch(`${ready.url}${path}`, {
        headers: { Authorization: `Bearer ${ready.key}` },
        ...(body && { method: "POST", body: JSON.stringify(body) }),
      });
      expect(response.status).toBe(200);
      return JSON.parse(await response.text());
    },
  };
}

describe("a demo without traffic", () => {
  const { printed, ready, ask } = demo({ DEMO_TRAFFIC: "off" });

  test("says where the dashboard is, with a key that opens what it shows", async () => {
    expect(printed()).toContain(`${ready.url}/dashboard`);
    expect(await ask("/mirror/status")).toMatchObject({ state: "live", users: USERS, organizations: 40 });
  });

  test("prints three lines to paste, each answered with 2xx and an end", async () => {
    const lines = printed()
      .split("\n")
      .filter((line) => line.includes("curl"));
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      const [, url = "", authorization = "", body] =
        /^ +curl -s "([^"]+)" -H "Authorization: ([^"]+)"(?: -d '(.*)')?$/.exec(line) ?? [];
      const response = await fetch(url, {
        headers: { Authorization: authorization },
        ...(body !== undefined && { method: "POST", body }),
      });
      expect(response.status, line).toBe(200);
      expect(JSON.parse(await response.text())).toBeTruthy();
    }
  });

  test("has half a year of sign-ups and of days on which people came, compared with Clerk's own counts", async () => {
    const since = dayOf(Date.now()) - 181;
    const days = await ask("/mirror/users/aggregate", {
      group_by: [{ field: "active_day", bucket: "day" }],
      order_by: ["-key"],
    });
    const counts = new Map(
      days.data.map(({ keys, count }: { keys: string[]; count: number }) => [
        dayOf(Date.parse(`${keys[0]}T00:00Z`)),
        count,
      ]),
    );
    const active = Array.from({ length: 182 }, (_, n) => counts.get(since + n) ?? 0);
    const ofQuarters = [active.slice(0, 91), active.slice(91)].map((days) => days.filter(Boolean).length);
    expect(ofQuarters).toEqual([expect.any(Number), 91]);
    expect(ofQuarters[0]).toBeGreaterThan(45);
    const { total } = await ask("/mirror/users/aggregate", {
      filter: { created_at: { gte: since * DAY_MS } },
    });
    expect(total).toBeGreaterThan(USERS / 3);
    expect(total).toBeLessThan(USERS);
    const { activity } = await ask("/mirror/status");
    expect(activity).toMatchObject({ since: since * DAY_MS, complete_days: 30, incomplete_days: [] });
  });

  test("changes nothing about its users by telling of their visits", async () => {
    const clerk = /Sandbox Clerk +(\S+)/.exec(printed())?.[1];
    const theirs = await fetch(`${clerk}/v1/users?limit=500`, {
      headers: { Authorization: "Bearer sk_test_sandbox" },
    });
    const running = ["locked", "lockout_expires_in_seconds"];
    const still = (users: Record<string, unknown>[]) =>
      users.map((user) => Object.fromEntries(Object.entries(user).filter(([key]) => !running.includes(key))));
    expect(still(await ask("/v1/users?limit=500"))).toEqual(
      still((await theirs.json()) as Record<string, unknown>[]),
    );
    // Those of whom a dead letter speaks are asked about, which takes a moment.
    await expect.poll(() => ask("/mirror/status"), { timeout: 30_000 }).toMatchObject({ refetches: 0 });
  });

  test("has dead letters of several causes, and one of them can be replayed", async () => {
    const letters = async () => (await ask("/mirror/dead-letters")).data as { id: string; error: string }[];
    await expect.poll(async () => (await letters()).length, { timeout: 30_000 }).toBe(5);
    expect(new Set((await letters()).map(({ error }) => error)).size).toBeGreaterThan(1);
    const answered = (await letters()).find(({ id }) => id.startsWith("walk:"))?.id ?? "";
    await ask(`/mirror/dead-letters/${encodeURIComponent(answered)}/replay`, {});
    await expect
      .poll(async () => (await letters()).map(({ id }) => id), { timeout: 30_000 })
      .not.toContain(answered);
  });
});

describe("a demo with traffic", () => {
  const { ask } = demo({ RECONCILE_INTERVAL: "1s" });

  test("shows changes as they happen, and a drift that heals", async () => {
    const { next_cursor } = await ask("/mirror/changes?after=now");
    const { data } = await ask(`/mirror/changes?after=${next_cursor}&wait=30`);
    expect(data.length).toBeGreaterThan(0);
    await expect
      .poll(async () => (await ask("/mirror/status")).drift.repaired.missed_update, { timeout: 60_000 })
      .toBeGreaterThan(0);
  });
});
