// Covers src/lib/private-metadata.ts, src/observability/, src/cli/dead-letters.ts

import { createHmac } from "node:crypto";
import postgres from "postgres";
import { afterEach, describe, expect } from "vitest";
import { digestOf } from "../../src/auth/keys.js";
import type { Scope } from "../../src/auth/scopes.js";
import { newKey } from "../../src/auth/stored-keys.js";
import { insertApiKey } from "../../src/db/api-keys.js";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { standInApp } from "../http/stand-ins.js";
import { capturedLog } from "../support/captured-log.js";
import { cli } from "../support/cli.js";
import { type TestDatabase, test } from "../support/database.js";
import { dumpOf } from "../support/dump.js";
import { startMirror, WEBHOOK_SECRET } from "../support/mirror.js";
import { plant } from "../support/private-places.js";

type Json = Record<string, unknown>;

let sandbox: Sandbox;
let server: RunningServer;
let endings: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await server.stop();
  await sandbox.close();
  await Promise.all(endings.map((end) => end()));
  endings = [];
});

/** In every piece of private metadata; what follows says where it stood and how it came here. */
const PLANTED = "planted-secret";
const planted = (way: string) => (place: string) => ({ note: `${PLANTED}:${way}:${place}` });
const own = (way: string) => `${PLANTED}:${way}:User.private_metadata`;

/** Clerk's own object, which its API and its webhooks show from now on with what was planted in it. */
function planting<T extends Json>(schema: string, way: string, object: T): T {
  plant(schema, object, planted(way));
  return object;
}

let people = 0;
function person(way: string) {
  const n = ++people;
  const user = sandbox.clerk.createUser({
    ...{ first_name: way, email_address: [`person${n}@example.com`], phone_number: [`+1555010${1000 + n}`] },
    ...{ username: `person_${n}`, web3_wallet: [`0x${String(n).padStart(40, "a")}`] },
  });
  // What its API doesn't let anybody make.
  Object.assign(user, {
    external_accounts: [
      { id: `eac_${n}`, object: "external_account", provider: "oauth_google", provider_user_id: `${n}` },
    ],
    enterprise_accounts: [{ id: `ent_${n}`, enterprise_connection: { id: `con_${n}` } }],
  });
  return planting("User", way, user);
}

function company(way: string, userId: string) {
  const organization = planting(
    "Organization",
    way,
    sandbox.clerk.createOrganization({ name: way, created_by: userId }),
  );
  for (const membership of sandbox.clerk.memberships()) {
    if ((membership.organization as Json).id !== organization.id) continue;
    sandbox.clerk.updateMembership(String(organization.id), userId, {
      private_metadata: planted(way)("OrganizationMembership.private_metadata"),
    });
  }
  return organization;
}

/** Everything that anybody was told who may not read private metadata. */
function reader(key: string) {
  const told: string[] = [];
  async function ask(
    path: string,
    init: { method?: string; headers?: Record<string, string>; body?: string } = {},
  ) {
    const { headers, ...rest } = init;
    const response = await fetch(`${server.url}${path}`, {
      ...rest,
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json", ...headers },
    });
    const text = await response.text();
    told.push(`${path} ${JSON.stringify([...response.headers])} ${text}`);
    return { status: response.status, text };
  }
  return { ask, told };
}

/** As one of the roles for readers: each view's rows, or null where the role may not see it. */
async function viewsAs(
  db: TestDatabase,
  role: string,
  schema = "mirror",
): Promise<Map<string, string | null>> {
  const names = await db.sql<{ name: string }[]>`
    select c.relname as name from pg_class c
    where c.relnamespace = ${schema}::regnamespace and c.relkind in ('r', 'v', 'm', 'p')`;
  const seen = new Map<string, string | null>();
  for (const { name } of names) {
    const rows = db.sql.begin(async (tx) => {
      await tx.unsafe(`set local role ${role}`);
      return tx`select to_jsonb(v)::text as row from ${tx(schema)}.${tx(name)} v`;
    });
    seen.set(
      name,
      await rows.then(
        (found) => JSON.stringify(found),
        (error) => {
          if (error.code !== "42501") throw error;
          return null;
        },
      ),
    );
  }
  return seen;
}

async function keyFor(db: TestDatabase, ...scopes: Scope[]): Promise<string> {
  const { key, id, digest } = newKey();
  await insertApiKey(db.database.primary.orm, { id, name: "reader", digest, scopes });
  return key;
}

async function sendRaw(id: string, body: string | Buffer): Promise<string> {
  const seconds = Math.floor(Date.now() / 1000);
  // Svix's own library signs text alone.
  const signature = createHmac("sha256", Buffer.from(WEBHOOK_SECRET.slice("whsec_".length), "base64"))
    .update(`${id}.${seconds}.`)
    .update(body)
    .digest("base64");
  const response = await fetch(`${server.url}/webhooks/clerk`, {
    method: "POST",
    headers: {
      "svix-id": id,
      "svix-timestamp": String(seconds),
      "svix-signature": `v1,${signature}`,
    },
    body: body as string,
  });
  return response.text();
}

/** Signs in to the dashboard. Returns the cookie. */
async function signIn(key: string): Promise<string> {
  const body = new URLSearchParams({ key });
  const answer = await fetch(`${server.url}/dashboard/sign-in`, { method: "POST", body, redirect: "manual" });
  return answer.headers.get("set-cookie")?.split(";")[0] ?? "";
}

/** The page that shows a user beside what Clerk says now. Returns the status. */
async function compare(ask: ReturnType<typeof reader>["ask"], id: string, cookie: string): Promise<number> {
  const { text } = await ask(`/dashboard/users/${id}`, { headers: { cookie } });
  const csrf = /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? "";
  const headers = { cookie, "Content-Type": "application/x-www-form-urlencoded" };
  const body = String(new URLSearchParams({ csrf }));
  return (await ask(`/dashboard/users/${id}/compare`, { method: "POST", headers, body })).status;
}

/** Streams, which say what pages do, and what sends elsewhere or serves files. */
const ELSEWHERE = new Set([
  ...[
    "/dashboard",
    "/dashboard/overview/live",
    "/dashboard/changes/live",
    "/dashboard/runs/live",
    "/dashboard/runs/:id/live",
    "/dashboard/assets/:hash/:name",
  ],
  ...["/docs", "/docs/:file", "/mcp", "/dashboard/users/:id/compare"],
]);

/** An address for every route that answers GET. */
function placesOf(ids: { user: string; organization: string; run: string; letter: string }) {
  const { user, organization, run, letter } = ids;
  return {
    ...itself("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs/"),
    ...itself("/mirror/status", "/mirror/config", "/mirror/keys", "/mirror/runs", "/mirror/dead-letters"),
    ...itself("/mirror/changes", "/mirror/users", "/mirror/users/daily", "/mirror/organizations"),
    "/mirror/runs/:id": `/mirror/runs/${run}`,
    "/mirror/runs/:id/windows": `/mirror/runs/${run}/windows`,
    "/mirror/dead-letters/:id": `/mirror/dead-letters/${letter}`,
    "/mirror/users/:id/history": `/mirror/users/${user}/history`,
    "/mirror/organizations/:id": `/mirror/organizations/${organization}`,
    "/mirror/organizations/:id/members": `/mirror/organizations/${organization}/members`,
    ...itself("/dashboard/", "/dashboard/sign-in", "/dashboard/overview/activity", "/dashboard/system"),
    ...itself("/dashboard/keys", "/dashboard/users", "/dashboard/organizations", "/dashboard/changes"),
    ...itself("/dashboard/runs", "/dashboard/dead-letters"),
    "/dashboard/runs/:id": `/dashboard/runs/${run}`,
    "/dashboard/runs/:id/stop": `/dashboard/runs/${run}/stop`,
    "/dashboard/dead-letters/group/:key/drop": "/dashboard/dead-letters",
    "/dashboard/dead-letters/letter/:id": `/dashboard/dead-letters/letter/${letter}`,
    "/dashboard/dead-letters/letter/:id/drop": `/dashboard/dead-letters/letter/${letter}/drop`,
    "/dashboard/keys/:id/revoke": "/dashboard/keys",
    "/dashboard/users-export": "/dashboard/users-export?format=ndjson",
    "/dashboard/users/:id": `/dashboard/users/${user}`,
    "/dashboard/users/:id/:action": `/dashboard/users/${user}/ban`,
    "/dashboard/users/:id/metadata": `/dashboard/users/${user}/metadata`,
    "/dashboard/organizations/:id": `/dashboard/organizations/${organization}`,
  };
}

const itself = (...paths: string[]) => Object.fromEntries(paths.map((path) => [path, path]));

// Processes of the command are started one after the other.
const LONG = { timeout: 300_000 };

describe("private metadata, wherever Clerk's schema may hold some and however it came here", LONG, () => {
  test("is told to nobody but those who may read it, by no view, route, log line, command or notification", async ({
    db,
  }) => {
    sandbox = await startSandbox({ retryScheduleMs: [5, 5, 50] });
    const notified: string[] = [];
    const listener = postgres(db.url, { max: 1 });
    endings.push(() => listener.end());
    await listener.listen("mirror_changes", (payload) => notified.push(payload));
    const captured = capturedLog();

    const walked = person("page");
    company("page", walked.id);
    server = await startMirror({ sandbox, databaseUrl: db.url, log: captured.log });
    const key = await keyFor(db, "users:read", "users:write", "admin", "changes:read");
    const { ask, told } = reader(key);

    const heard = person("webhook");
    sandbox.clerk.updateUser(heard.id, { last_name: "Heard" });
    company("webhook", heard.id);
    const visitor = person("session");
    sandbox.clerk.signIn(visitor.id);
    await sandbox.webhooks.settle();

    sandbox.webhooks.setEndpoint(null);
    const written = person("write");
    expect(
      (await ask(`/v1/users/${written.id}`, { method: "PATCH", body: '{"last_name":"Written"}' })).status,
    ).toBe(200);
    const readThrough = person("read-through");
    const live = [walked, heard, visitor, written, readThrough];

    // What can't be stored: of a webhook, in every state of decay, and of an answer of Clerk's.
    const letter = JSON.stringify({
      ...{ type: "user.updated", object: "event", timestamp: Date.now() },
      data: { ...person("letter"), created_at: "soon" },
    });
    const letters: [string, string | Buffer][] = [
      ["msg_letter", letter],
      ["msg_cut", letter.slice(0, -1)],
      ["msg_bytes", Buffer.from(letter.replace('"letter"', '"\xff"'), "latin1")],
    ];
    for (const [id, body] of letters) expect(await sendRaw(id, body)).toContain("dead_lettered");
    const unusable = { ...person("unusable"), created_at: "soon" };
    sandbox.faults.add({ match: `GET /v1/users/${unusable.id}$`, status: 200, body: unusable });
    expect((await ask(`/v1/users/${unusable.id}`)).text).toContain('"unusable"');
    sandbox.faults.add({
      ...{ match: "organization_invitations$", status: 200 },
      body: { data: [planting("OrganizationMembership", "other", { organization: {} })], total_count: 1 },
    });
    await ask(`/v1/users/${walked.id}/organization_invitations`);

    const paths = [
      ...["", "?limit=500", "?limit=500&query=e", "/count"].map((end) => `/v1/users${end}`),
      ...live.flatMap(({ id }) => [`/v1/users/${id}`, `/v1/users/${id}/organization_memberships`]),
      ...["", "&fields=id,private_metadata,external_accounts,organization_memberships"].map(
        (end) => `/mirror/users?limit=500${end}`,
      ),
      "/mirror/changes?limit=500&include=object",
      ...["/mirror/status", "/mirror/dead-letters", "/healthz", "/readyz"],
    ];
    const statuses = new Map<string, number>();
    for (const path of paths) {
      for (const from of ["", "upstream"]) {
        const { status } = await ask(path, { headers: from ? { "X-Mirror-Read": from } : {} });
        if (status !== 200) statuses.set(`${path} ${from}`, status);
      }
    }
    expect([...statuses]).toEqual([]);
    const [run] = JSON.parse((await ask("/mirror/status")).text).last_runs;
    expect((await ask(`/mirror/runs/${run.id}`)).status).toBe(200);
    const [organization] = await db.sql`select id from mirror.organizations limit 1`;
    const places = placesOf({
      user: walked.id,
      organization: organization?.id,
      run: run.id,
      letter: "msg_letter",
    });
    const routes = standInApp().app.routes.filter(
      ({ method, path }) => method === "GET" && !path.endsWith("*") && !ELSEWHERE.has(path),
    );
    expect(new Set(Object.keys(places))).toEqual(new Set(routes.map(({ path }) => path)));
    const cookie = await signIn(key);
    const failed: [string, number][] = [];
    for (const path of Object.values(places)) {
      const { status } = await ask(path, { headers: path.startsWith("/dashboard") ? { cookie } : {} });
      if (status !== 200) failed.push([path, status]);
    }
    expect(failed).toEqual([]);
    expect(await compare(ask, walked.id, cookie)).toBe(200);
    const exported = await ask("/mirror/users", { headers: { accept: "application/x-ndjson" } });
    expect(exported.text).toContain(walked.id);
    const keys = live.map(({ id }) => id);
    const lookup = { method: "POST", body: JSON.stringify({ by: "id", keys }) };
    expect((await ask("/mirror/users/lookup", lookup)).status).toBe(200);
    expect((await ask("/mirror/dead-letters/msg_letter/replay", { method: "POST" })).text).toContain(
      "dead_lettered",
    );
    const full = await server.mirror.leader.execute("full", { signal: AbortSignal.timeout(60_000) });
    expect(full.state).toBe("succeeded");

    const listed = await cli(db.url, ["dead-letters", "list"], { LOG_LEVEL: "trace" });
    const ids: string[] = listed.value.map(({ id }: { id: string }) => id);
    expect(ids.sort()).toEqual(["msg_bytes", "msg_cut", "msg_letter", `walk:${unusable.id}`]);
    const commands = [
      ...["msg_letter", "msg_bytes"].map((id) => ["dead-letters", "show", id]),
      ...[["users", "list", "limit=500"], ["status"]],
    ];
    const printed = [listed];
    for (const command of commands) printed.push(await cli(db.url, command, { LOG_LEVEL: "trace" }));
    expect(printed.map(({ code }) => code)).toEqual(printed.map(() => 0));

    const views = await viewsAs(db, "mirror_reader");
    const tables = await viewsAs(db, "mirror_reader", "mirror_data");
    const everything = {
      ...Object.fromEntries(views),
      told: told.join("\n"),
      log: captured.text(),
      printed: printed.map(({ stdout, stderr }) => stdout + stderr).join("\n"),
      notified: notified.join("\n"),
    };
    for (const [where, text] of Object.entries(everything)) {
      const at = text?.indexOf(PLANTED) ?? -1;
      expect([where, at === -1 ? null : text?.slice(Math.max(0, at - 300), at + 100)]).toEqual([where, null]);
    }
    expect([...tables].filter(([, rows]) => rows !== null)).toEqual([]);
    expect([...views].filter(([, rows]) => rows === null)).toEqual([["user_private_metadata", null]]);
    expect(notified.length).toBeGreaterThan(0);
    expect(captured.text()).toContain("msg_letter");
    expect(told.join()).toContain(`walk:${unusable.id}`);

    // It was all there to be told.
    const rows = await db.sql<{ row: string }[]>`
      select payload || private_metadata as row from mirror_data.users where payload is not null
      union all select payload || private_metadata from mirror_data.organizations where payload is not null
      union all select payload || private_metadata from mirror_data.organization_memberships where payload is not null
      union all select convert_from(decode(payload, 'base64'), 'latin1') from mirror_data.dead_letters`;
    const stored = JSON.stringify(rows.map(({ row }) => row));
    const nested = ".organization_memberships[0].organization.private_metadata";
    const expected = [
      ...["page", "webhook", "session", "write", "read-through", "letter", "unusable"].flatMap((way) =>
        ["", nested, ".external_accounts[0].private_metadata"].map((end) =>
          end ? `${PLANTED}:${way}:User${end}` : own(way),
        ),
      ),
      ...["page", "webhook"].flatMap((way) =>
        ["Organization", "OrganizationMembership"].map((one) => `${PLANTED}:${way}:${one}.private_metadata`),
      ),
    ];
    expect(expected.filter((one) => !stored.includes(one))).toEqual([]);

    // And is to those who may.
    const may = reader("um_test");
    const apart = (await viewsAs(db, "mirror_reader_private")).get("user_private_metadata");
    for (const [index, { id }] of live.entries()) {
      const way = ["page", "webhook", "session", "write", "read-through"][index] ?? "";
      expect((await may.ask(`/v1/users/${id}`)).text).toContain(own(way));
      expect(apart).toContain(own(way));
    }
    const shown = await cli(db.url, ["dead-letters", "show", "msg_letter", "--private"]);
    expect(shown.value.payload).toBe(letter);
  });
});

describe("keys, signing secrets and passwords", LONG, () => {
  test("stand in no log line, no answer and no row of the database, whatever is asked", async ({ db }) => {
    sandbox = await startSandbox({ users: 3, secretKey: "sk_test_ours_and_nobody_elses" });
    const captured = capturedLog();
    server = await startMirror({
      sandbox,
      databaseUrl: db.url,
      log: captured.log,
      env: { MIRROR_API_KEY: "um_ours_alone" },
    });
    const own = await keyFor(db, "users:read");
    const secrets = [
      ...[sandbox.secretKey, WEBHOOK_SECRET, WEBHOOK_SECRET.slice("whsec_".length), "um_ours_alone"],
      ...[own, own.slice(3), decodeURIComponent(new URL(db.url).password)],
    ];
    expect(secrets.map((secret) => secret.length > 8)).toEqual(secrets.map(() => true));

    const told: string[] = [];
    for (const key of [own, "um_ours_alone", sandbox.secretKey]) {
      const asking = reader(key);
      sandbox.faults.add({ match: "GET /v1/jwks", times: 2, cut: "before" });
      for (const path of [
        "/v1/users",
        "/v1/users?limit=0",
        "/v1/jwks",
        "/v1/users/user_nobody",
        "/mirror/status",
      ]) {
        await asking.ask(path);
        await asking.ask(path, { headers: { "X-Mirror-Read": "upstream", Authorization: `Bearer ${key}x` } });
        await asking.ask(path, { headers: { Authorization: key } });
      }
      await asking.ask("/mirror/reconcile", { method: "POST", body: "{" });
      await asking.ask("/v1/users", { method: "POST", body: `{"password":"${key}"` });
      told.push(...asking.told);
    }
    expect(await sendRaw("msg_1", "{")).toContain("dead_lettered");
    const unsigned = await fetch(`${server.url}/webhooks/clerk`, { method: "POST", body: "{}" });
    told.push(await unsigned.text());

    const wrong = new URL(db.url);
    wrong.password = "the-password-of-nobody";
    const env = { LOG_LEVEL: "trace" };
    wrong.hostname = "127.0.0.1";
    const failed = await cli(wrong.href, ["status"], env);
    wrong.port = "1";
    const unreachable = await cli(wrong.href, ["status"], env);
    expect([failed.code, unreachable.code]).toEqual([78, 78]);
    const outputs = [failed, unreachable].map(({ stdout, stderr }) => stdout + stderr);

    const rows = await dumpOf(db.sql);
    expect(rows.some(({ text }) => text.includes(digestOf(own).toString("hex")))).toBe(true);
    for (const secret of [...secrets, "the-password-of-nobody"]) {
      expect([secret, rows.find(({ text }) => text.includes(secret))]).toEqual([secret, undefined]);
      expect([secret, captured.text().includes(secret)]).toEqual([secret, false]);
      expect([secret, told.find((one) => one.includes(secret))]).toEqual([secret, undefined]);
      expect([secret, outputs.find((one) => one.includes(secret))]).toEqual([secret, undefined]);
    }
  });
});
