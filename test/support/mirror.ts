import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { expect } from "vitest";
import { loadConfig } from "../../src/config.js";
import { type Logger, silentLogger } from "../../src/observability/logger.js";
import { startServer } from "../../src/runtime/server.js";
import type { Sandbox } from "../../src/sandbox/server.js";
import { CLI } from "./programs.js";

export const WEBHOOK_SECRET = `whsec_${Buffer.from("the signing secret of a test").toString("base64")}`;

export interface MirrorOptions {
  sandbox: Sandbox;
  databaseUrl: string;
  env?: Record<string, string>;
  /** False: returns as soon as it listens. */
  untilLive?: boolean;
  /** Of a mirror in this process. */
  log?: Logger;
}

/** A mirror of this sandbox in this process, filled, with the sandbox's webhooks coming in. */
export async function startMirror(options: MirrorOptions) {
  const config = loadConfig(environment(options), { needs: { secretKey: true } });
  const server = await startServer(config, options.log ?? silentLogger());
  options.sandbox.webhooks.setEndpoint(endpoint(server.url));
  if (options.untilLive !== false) await untilLive(server.url);
  return server;
}

/** The same as a process of its own, to be killed. */
export async function spawnMirror(options: MirrorOptions): Promise<{ url: string; child: ChildProcess }> {
  const child = spawnMain(options);
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const entry = JSON.parse(line);
      if (entry.msg === "listening") resolve(entry.url);
    });
    child.once("exit", (code) => reject(new Error(`the server ended with ${code} before it listened`)));
  });
  options.sandbox.webhooks.setEndpoint(endpoint(url));
  if (options.untilLive !== false) await untilLive(url);
  return { url, child };
}

/** The process itself, which may never listen. */
export function spawnMain(options: MirrorOptions) {
  return spawn(process.execPath, [CLI, "serve"], {
    env: { ...process.env, ...environment(options), LOG_FORMAT: "json", LOG_LEVEL: "info" },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** As a power cut would. */
export async function killHard(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** Vitest's own polling works only inside a test, and mirrors are started before them too. */
export async function untilLive(url: string): Promise<void> {
  for (;;) {
    const { state } = JSON.parse(await (await fetch(`${url}/readyz`)).text());
    if (state === "live") return;
    await setTimeout(25);
  }
}

function environment({ sandbox, databaseUrl, env = {} }: MirrorOptions): Record<string, string> {
  return {
    CLERK_SECRET_KEY: sandbox.secretKey,
    CLERK_API_URL: sandbox.url,
    CLERK_WEBHOOK_SIGNING_SECRET: WEBHOOK_SECRET,
    DATABASE_URL: databaseUrl,
    PORT: "0",
    UPSTREAM_RATE_LIMIT: "100000",
    UPSTREAM_LAG: "500ms",
    MIRROR_API_KEY: "um_test",
    ...env,
  };
}

const endpoint = (url: string) => ({ url: `${url}/webhooks/clerk`, secret: WEBHOOK_SECRET });

/** How long a lockout still lasts differs by the second between two who ask, and by more where a clock stands still. */
export function withoutCountdowns<T>(value: T): T {
  return JSON.parse(
    JSON.stringify(value ?? null, (key, inner) =>
      /^lockout_?expires/i.test(key) && typeof inner === "number" ? "running" : inner,
    ),
  );
}

/** How many users' memberships are asked for at once. */
const AT_ONCE = 20;

/** Everything that the mirror answers about users and memberships, beside what the sandbox holds: they must be equal. */
export async function expectSame(url: string, sandbox: Sandbox): Promise<void> {
  const users = await allUsers(url, sandbox.secretKey);
  const byId = (list: Record<string, unknown>[]) => new Map(list.map((one) => [one.id, one]));
  expect(byId(withoutCountdowns(users))).toEqual(byId(withoutCountdowns(sandbox.clerk.users())));
  expect(await count(url, sandbox.secretKey)).toBe(sandbox.clerk.users().length);
  const members = new Map<string, unknown[]>();
  for (const membership of sandbox.clerk.memberships()) {
    const { user_id } = membership.public_user_data as { user_id: string };
    members.set(user_id, [...(members.get(user_id) ?? []), membership]);
  }
  const same = async ({ id }: Record<string, unknown>) => {
    const own = await get(url, `/v1/users/${id}/organization_memberships?limit=500`, sandbox.secretKey);
    const expected = (members.get(String(id)) ?? []) as Record<string, unknown>[];
    expect(byId((own as { data: Record<string, unknown>[] }).data)).toEqual(byId(expected));
  };
  for (let n = 0; n < users.length; n += AT_ONCE) await Promise.all(users.slice(n, n + AT_ONCE).map(same));
}

export async function allUsers(url: string, key: string): Promise<Record<string, unknown>[]> {
  const users: Record<string, unknown>[] = [];
  for (;;) {
    const page = (await get(url, `/v1/users?limit=500&offset=${users.length}`, key)) as Record<
      string,
      unknown
    >[];
    users.push(...page);
    if (page.length < 500) return users;
  }
}

async function count(url: string, key: string): Promise<number> {
  return ((await get(url, "/v1/users/count", key)) as { total_count: number }).total_count;
}

async function get(url: string, path: string, key: string): Promise<unknown> {
  const response = await fetch(`${url}${path}`, { headers: { Authorization: `Bearer ${key}` } });
  expect(response.status).toBe(200);
  expect(response.headers.get("x-mirror-source")).toBe("local");
  return response.json();
}
