import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { PAGES } from "../../../src/http/dashboard/pages/pages.js";
import { SESSION_COOKIE } from "../../../src/http/dashboard/visit/cookies.js";
import { createSessions } from "../../../src/http/dashboard/visit/session.js";
import { startSandbox } from "../../../src/sandbox/server.js";
import { freshDatabase } from "../../support/database.js";
import { startMirror } from "../../support/mirror.js";
import { type Guest, type GuestOptions, startBrowser, welcome } from "./browser.js";

export const ADMIN_KEY = "um_test";
/** What a name must never do where it is shown. */
export const HOSTILE = `"><img src=x onerror="document.title='owned'">`;

type VisitedMirror = Awaited<ReturnType<typeof openMirror>>;

/**
 * A mirror of a small sandbox with somebody of a hostile name in it, and a browser to look at it: for the tests of a file, and filled
 * before the first. Whoever has entered leaves after each.
 */
export function useMirror(): VisitedMirror {
  const mirror: Partial<VisitedMirror> = {};
  beforeAll(async () => void Object.assign(mirror, await openMirror()), 120_000);
  afterEach(() => mirror.leave?.());
  afterAll(() => mirror.close?.());
  return mirror as VisitedMirror;
}

async function openMirror() {
  const [sandbox, database, browser] = await Promise.all([
    startSandbox({ users: 200, organizations: 4 }),
    freshDatabase(),
    startBrowser(),
  ]);
  const hostile = sandbox.clerk.createUser({
    ...{ first_name: HOSTILE, last_name: HOSTILE, email_address: ["hostile@example.com"] },
    ...{ public_metadata: { [HOSTILE]: HOSTILE }, unsafe_metadata: { plan: HOSTILE } },
  });
  const organization = sandbox.clerk.createOrganization({ name: HOSTILE, created_by: hostile.id });
  // What isn't noticed by a webhook waits until a test asks for a run.
  const env = { RECONCILE_INTERVAL: "0" };
  const server = await startMirror({ sandbox, databaseUrl: database.url, env });
  const guests: Guest[] = [];

  const ask = (method: string, path: string, body?: unknown) =>
    fetch(`${server.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${ADMIN_KEY}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

  return {
    sandbox,
    url: server.url,
    hostile: { userId: hostile.id, organizationId: String(organization.id) },
    /** Asks the API with every scope. */
    ask,
    async makeKey(name: string, ...scopes: string[]): Promise<{ id: string; key: string }> {
      const answer = await ask("POST", "/mirror/keys", { name, scopes });
      expect(answer.status).toBe(201);
      return (await answer.json()) as { id: string; key: string };
    },
    /** In this browser a session with this key, which the mirror hasn't looked up yet. */
    takeSession: ({ page }: Guest, key: string) =>
      page.context().addCookies([
        {
          ...{ name: SESSION_COOKIE, url: `${server.url}/dashboard/` },
          value: createSessions(sandbox.secretKey, Date.now).begin(key),
        },
      ]),
    /** Meanwhile the keys of the database can't be read. */
    async withoutKeys(work: () => Promise<unknown>): Promise<void> {
      const { sql } = server.mirror.store.database.primary;
      await sql`alter table mirror_data.api_keys rename to api_keys_away`;
      await work().finally(() => sql`alter table mirror_data.api_keys_away rename to api_keys`);
    },
    /** A browser of its own, until `leave`. */
    async enter(options: Partial<GuestOptions> = {}): Promise<Guest> {
      const guest = await welcome(browser, { url: server.url, ...options });
      guests.push(guest);
      return guest;
    },
    /** After each test. */
    leave: () => Promise.all(guests.splice(0).map((guest) => guest.close())),
    /** Each page of the navigation, and those behind them that look otherwise. */
    everyPath(): string[] {
      const [user, joined] = [`users/${hostile.id}`, `organizations/${organization.id}`];
      return [
        ...PAGES.map(({ path }) => path),
        ...["overview/activity", "users?q=nobody-has-this-name", "users?filter=%7B%22nonsense%22%3A1%7D"],
        ...[user, `${user}/metadata`, `${user}/delete`, joined],
      ];
    },
    async close() {
      await browser.close();
      await server.stop();
      await sandbox.close();
      await database.drop();
    },
  };
}
