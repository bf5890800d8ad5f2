// Covers src/db/connection/availability.ts, src/http/clerk-answer.ts, src/sync/answers/unapplied.ts

import { createClerkClient } from "@clerk/backend";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newKey } from "../../src/auth/stored-keys.js";
import { insertApiKey } from "../../src/db/api-keys.js";
import { SESSION_COOKIE } from "../../src/http/dashboard/visit/cookies.js";
import { createSessions } from "../../src/http/dashboard/visit/session.js";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { startPostgres } from "../support/external-postgres.js";
import { expectSame, startMirror } from "../support/mirror.js";
import { signed } from "../support/signed.js";

type Wire = Record<string, unknown>;

describe("while Postgres is stopped and started under load", () => {
  let sandbox: Sandbox;
  let postgres: Awaited<ReturnType<typeof startPostgres>>;
  let server: RunningServer;
  const reader = newKey();

  beforeAll(async () => {
    postgres = await startPostgres();
    sandbox = await startSandbox({
      ...{ users: 300, organizations: 5 },
      retryScheduleMs: Array.from({ length: 100 }, () => 200),
    });
    const env = { CLERK_INSTANCE_ID: sandbox.instanceId };
    server = await startMirror({ sandbox, databaseUrl: postgres.url, env });
    const scopes = ["users:read", "private_metadata:read", "admin"];
    await insertApiKey(server.mirror.store.database.primary.orm, { ...reader, name: "reader", scopes });
  });

  afterAll(async () => {
    await server?.stop();
    await sandbox?.close();
    await postgres?.remove();
  });

  const read = (path: string, key = sandbox.secretKey, headers = {}) =>
    fetch(`${server.url}${path}`, { headers: { Authorization: `Bearer ${key}`, ...headers } });
  const stateOf = async () => ((await (await fetch(`${server.url}/readyz`)).json()) as Wire).state;
  const until = (state: string) => expect.poll(stateOf, { timeout: 20_000, interval: 20 }).toBe(state);

  /** Readers that go on until stopped, and hold every answer against what Clerk holds. */
  function startLoad() {
    const ids = sandbox.clerk.users().map(({ id }) => String(id));
    const wrong: unknown[] = [];
    const sources = new Map<string, number>();
    let stopped = false;

    async function readOne(round: number): Promise<void> {
      const id = ids[(round * 7) % ids.length] ?? "";
      const path = [`/v1/users/${id}`, "/v1/users/count", `/v1/users?user_id=${id}`][round % 3] ?? "";
      const response = await read(path, round % 2 === 0 ? sandbox.secretKey : reader.key);
      const source = response.headers.get("x-mirror-source") ?? "none";
      sources.set(source, (sources.get(source) ?? 0) + 1);
      const body = (await response.json()) as Wire & Wire[];
      const shown = [body.id, body.total_count === ids.length ? id : undefined, body[0]?.id];
      if (response.status !== 200 || !shown.includes(id)) wrong.push([path, response.status, body]);
    }

    const readers = Array.from({ length: 6 }, async (_, worker) => {
      for (let round = worker; !stopped; round += 6) await readOne(round);
    });
    return {
      sources,
      async stop() {
        stopped = true;
        await Promise.all(readers);
        return wrong;
      },
    };
  }

  test("no answer is wrong or missing, no webhook is lost, and it recovers by itself", async () => {
    expect((await read("/v1/users/count", reader.key)).headers.get("x-mirror-source")).toBe("local");
    const load = startLoad();
    for (let round = 0; round < 2; round++) {
      await postgres.stop();
      await until("degraded");
      const before = load.sources.get("upstream") ?? 0;
      await expect
        .poll(() => load.sources.get("upstream") ?? 0, { timeout: 20_000 })
        .toBeGreaterThan(before + 20);
      await postgres.start();
      await until("live");
    }
    const local = load.sources.get("local") ?? 0;
    await expect.poll(() => load.sources.get("local") ?? 0, { timeout: 20_000 }).toBeGreaterThan(local + 20);
    expect(await load.stop()).toEqual([]);
  });

  test("a write is done once, and read back both while Postgres is away and when it has returned", async () => {
    const sdk = createClerkClient({ secretKey: sandbox.secretKey, apiUrl: server.url });
    const [first, second] = sandbox.clerk.users().map(({ id }) => String(id));
    await postgres.stop();
    const changed = sandbox.webhooks.deliveries.length;
    await sdk.users.updateUser(first ?? "", { firstName: "Written without Postgres" });
    expect((await sdk.users.getUser(first ?? "")).firstName).toBe("Written without Postgres");
    await sdk.users.deleteUser(second ?? "");
    await expect(sdk.users.getUser(second ?? "")).rejects.toMatchObject({ status: 404 });

    const statuses = () => sandbox.webhooks.deliveries.slice(changed).map(({ attempts }) => attempts[0]);
    await expect.poll(statuses).toEqual([503, 503]);
    expect(await answersToWebhooks()).toEqual({
      ...{ usable: 503, unused: 503, unusable: 503 },
      ...{ forged: 400, unsigned: 400, late: 400, foreign: 400 },
    });
    const refused = await read("/mirror/status", reader.key);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    expect((await read("/v1/users/count", newKey().key)).status).toBe(503);
    const session = createSessions(sandbox.secretKey, Date.now).begin(newKey().key);
    const page = await read("/dashboard/", undefined, { Cookie: `${SESSION_COOKIE}=${session}` });
    expect([page.status, await page.text()]).toEqual([503, expect.stringContaining("This page tries again")]);
    expect((await read("/v1/users/count", "sk_test_unknown")).status).toBe(401);
    const atLeast = await read("/v1/users/count", sandbox.secretKey, { "X-Mirror-Min-Version": "1-0/0" });
    expect([atLeast.status, atLeast.headers.get("x-mirror-source")]).toEqual([200, "upstream"]);

    await postgres.start();
    await until("live");
    // A pool that had no use for its connections meanwhile finds out now that they are gone: Clerk answers once more.
    const sourceOf = async (path: string) => (await read(path)).headers.get("x-mirror-source");
    await expect.poll(() => sourceOf(`/v1/users/${first}`), { timeout: 10_000 }).toBe("local");
    const after = await read(`/v1/users/${first}`);
    expect(((await after.json()) as Wire).first_name).toBe("Written without Postgres");
    expect((await read(`/v1/users/${second}`)).status).toBe(404);
    await sandbox.webhooks.settle();
    await expect.poll(() => sourceOf("/v1/users")).toBe("local");
    await expectSame(server.url, sandbox);
  });

  /** What a webhook of each kind is answered: which can't be Clerk's needs no database. */
  async function answersToWebhooks() {
    const event = (fields: object) => signed("msg_away", { type: "email.created", data: {}, ...fields });
    const changed = (request: RequestInit, headers: Record<string, string>) => ({
      ...request,
      headers: { ...(request.headers as Record<string, string>), ...headers },
    });
    const kinds = {
      usable: event({ type: "user.deleted", data: { id: "user_nobody" } }),
      unused: event({}),
      unusable: signed("msg_away", "{"),
      forged: changed(event({}), { "svix-id": "msg_other" }),
      unsigned: changed(event({}), { "svix-signature": "" }),
      late: changed(event({}), { "svix-timestamp": "1700000000" }),
      foreign: event({ instance_id: "ins_other" }),
    };
    const answers = Object.entries(kinds).map(
      async ([kind, request]) =>
        [kind, (await fetch(`${server.url}/webhooks/clerk`, request)).status] as const,
    );
    return Object.fromEntries(await Promise.all(answers));
  }

  test("what changed at Clerk meanwhile is found by a run of its own, without its webhooks", async () => {
    await postgres.stop();
    await until("degraded");
    sandbox.webhooks.faults.drop = 2;
    const created = sandbox.clerk.createUser({ first_name: "Unheard of" });
    const [known] = sandbox.clerk.users();
    sandbox.clerk.updateUser(String(known?.id), { first_name: "Unheard" });
    await postgres.start();
    await until("live");
    const name = async (id: unknown) => {
      const listed = (await (await read(`/v1/users?user_id=${id}`)).json()) as Wire[];
      return listed[0]?.first_name;
    };
    await expect.poll(() => name(created.id), { timeout: 10_000 }).toBe("Unheard of");
    expect(await name(known?.id)).toBe("Unheard");
  });
});
