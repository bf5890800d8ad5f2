import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "svix";
import type { Sql } from "../../src/db/connection/sql.js";
import { sleep } from "../../src/lib/async.js";
import { ensureUpstreamIdentity } from "../../src/sync/ledger/upstream-identity.js";
import { startMirror, type Target } from "../http/processes.js";
import { type Line, median } from "../report/table.js";
import { type HostileUser, printed, shapes, userOf } from "./hostile.js";

export const LOOP_NOTE =
  "How long the longest turn of the server's event loop takes while it does this: what its thread computes in it, so that " +
  "what else the machine does has no part in it; the median of the rounds. Beside it the longest when nothing is asked.";

/** The aim. The promise is three times as much. */
const GOAL_MS = 50;
const LIMIT_MS = 150;

interface Delay {
  maxMs: number;
  p99Ms: number;
}

export interface LoopOptions {
  sql: Sql;
  databaseUrl: string;
  webhookSecret: string;
  rounds: number;
  only?: string;
  say: (text: string) => void;
}

/** Measures on a server of its own, for each hostile shape, the longest turn of its event loop. */
export async function measureLoop(options: LoopOptions): Promise<Line[]> {
  const { sql, databaseUrl, webhookSecret, rounds, only = "", say } = options;
  const clerk = await startHugeClerk();
  await sql`delete from mirror_data.upstream`;
  await ensureUpstreamIdentity(sql, { apiUrl: clerk.url, environment: "test", instanceId: null });
  await sql`update mirror_data.upstream set backfilled_at = 1`;
  const mirror = await startMirror(
    {
      ...{ DATABASE_URL: databaseUrl, CLERK_SECRET_KEY: "sk_test_bench", CLERK_API_URL: clerk.url },
      ...{ CLERK_WEBHOOK_SIGNING_SECRET: webhookSecret, UPSTREAM_RATE_LIMIT: "100000" },
      ...{ MIRROR_API_KEY: "um_bench", RECONCILE_INTERVAL: "0", FULL_RECONCILE_INTERVAL: "0" },
    },
    { preload: new URL("./loop-delay.mjs", import.meta.url).href },
  );
  try {
    const work = workOf(mirror, clerk, options);
    const chosen = Object.entries(work).filter(([what]) => what === IDLE || what.includes(only));
    const delays = new Map<string, Delay[]>(chosen.map(([what]) => [what, []]));
    for (let round = 0; round <= rounds; round++) {
      for (const [what, run] of chosen) {
        say(round === 0 ? `warming up: ${what}` : `round ${round} of ${rounds}: ${what}`);
        await run(() => loopDelay(mirror));
        const delay = await loopDelay(mirror);
        if (round > 0) delays.get(what)?.push(delay);
      }
    }
    const of = (what: string, pick: (delay: Delay) => number) => median((delays.get(what) ?? []).map(pick));
    const idle = of(IDLE, ({ maxMs }) => maxMs);
    return chosen.map(([what]): Line => {
      const maxMs = of(what, (delay) => delay.maxMs);
      const goals = [
        { text: `≤ ${GOAL_MS} ms`, met: maxMs <= GOAL_MS },
        { text: `≤ ${LIMIT_MS} ms`, met: maxMs <= LIMIT_MS },
      ];
      return {
        ...{ what, unit: "ms", median: maxMs, p99Ms: of(what, ({ p99Ms }) => p99Ms) },
        ...(what === IDLE
          ? { reference: null, ratio: null, goals: [] }
          : { reference: IDLE, ratio: maxMs / idle, goals }),
      };
    });
  } finally {
    await mirror.stop();
    await clerk.close();
  }
}

/** How long the loop was held up since the last time this was asked. */
function loopDelay({ child }: Target): Promise<Delay> {
  return new Promise((resolve) => {
    child?.once("message", (message) => resolve(message as Delay));
    child?.send("delay");
  });
}

const IDLE = "idle";

/** Prepares, calls back when the server is about to be asked, and asks. */
type Work = (asking: () => Promise<unknown>) => Promise<unknown>;

function workOf(mirror: Target, clerk: HugeClerk, { sql, webhookSecret }: LoopOptions): Record<string, Work> {
  const signer = new Webhook(webhookSecret);
  let clock = Date.now();
  let messages = 0;

  function event(user: HostileUser) {
    const at = ++clock;
    const data = { ...user, updated_at: at };
    const body = printed({ object: "event", type: "user.updated", timestamp: at, data });
    const id = `msg_loop_${process.pid}_${++messages}`;
    const now = new Date();
    const headers = {
      "Content-Type": "application/json",
      "svix-id": id,
      "svix-timestamp": String(Math.floor(now.getTime() / 1000)),
      "svix-signature": signer.sign(id, now, body),
    };
    return { body, headers };
  }

  const send = (users: readonly HostileUser[]) => {
    const events = users.map(event);
    return () =>
      Promise.all(
        events.map(({ body, headers }) =>
          answered(mirror, "/webhooks/clerk", { method: "POST", body, headers }),
        ),
      );
  };
  /** New users first, and then the same users changed. */
  const webhooks =
    (users: () => HostileUser[]): Work =>
    async (asking) => {
      const created = users().map((user) => ({ ...user, id: `${user.id}_${++clock}` }));
      const changed = created.map((user) => ({ ...user, last_name: "Byron", unsafe_metadata: { clock } }));
      const sending = [send(created), send(changed)];
      await asking();
      for (const one of sending) await one();
    };
  const get = (path: string, headers: Record<string, string> = {}) =>
    answered(mirror, path, { headers: { Authorization: "Bearer sk_test_bench", ...headers } });
  const key = { Authorization: "Bearer um_bench" };

  const page = (bytes: number, nested: boolean) => {
    const at = ++clock;
    return Array.from({ length: 500 }, (_, n) => ({
      ...userOf(`user_page_${n}`, bytes, nested),
      ...{ updated_at: at, last_name: `Number ${at}` },
    }));
  };
  const listed =
    (bytes: number): Work =>
    async (asking) => {
      clerk.users = Buffer.from(JSON.stringify(page(bytes, true)));
      await asking();
      await get("/v1/users?limit=500", { "X-Mirror-Read": "upstream" });
    };

  return {
    [IDLE]: async (asking) => {
      await asking();
      await sleep(1000);
    },
    "64 ordinary webhooks": webhooks(() =>
      Array.from({ length: 64 }, (_, n) => userOf(`user_small_${n}`, 500, false)),
    ),
    "64 webhooks of 29 KiB": webhooks(() =>
      Array.from({ length: 64 }, (_, n) => userOf(`user_medium_${n}`, 27_000, false)),
    ),
    "10 webhooks of 900 KiB and a small one": webhooks(() => [
      ...Array.from({ length: 10 }, (_, n) => userOf(`user_large_${n}`, 900_000, false)),
      userOf("user_small_1", 500, false),
    ]),
    ...Object.fromEntries(
      Object.entries(shapes).map(([what, make]) => [`webhook: ${what}`, webhooks(() => [make()])]),
    ),
    "page of 500 users of 8 KiB from Clerk": listed(8_000),
    "page of 500 users of 24 KiB from Clerk": listed(24_000),
    "ban of 500 users of 8 KiB": async (asking) => {
      clerk.users = Buffer.from(JSON.stringify(page(8_000, true)));
      await asking();
      const body = JSON.stringify({ user_ids: [] });
      const headers = { Authorization: "Bearer sk_test_bench", "Content-Type": "application/json" };
      await answered(mirror, "/v1/users/ban", { method: "POST", body, headers });
    },
    "list of 500 users of 24 KiB, private metadata shown": async (asking) => {
      await asking();
      await get("/v1/users?limit=500&query=user_page_");
    },
    "walk over 500 users of 24 KiB": async (asking) => {
      clerk.users = Buffer.from(JSON.stringify(page(24_000, true)));
      await asking();
      const started = await answered(mirror, "/mirror/reconcile", {
        ...{ method: "POST", body: '{"mode":"full"}' },
        headers: { ...key, "Content-Type": "application/json" },
      });
      const { run_id } = JSON.parse(started);
      for (let state = "queued"; state === "queued" || state === "running"; await sleep(50)) {
        ({ state } = JSON.parse(await answered(mirror, `/mirror/runs/${run_id}`, { headers: key })));
      }
    },
    "500 dead letters of 200 KiB": async (asking) => {
      await sql`
        insert into mirror_data.dead_letters (id, type, user_id, payload, error, attempts, received_at, tried_at)
        select 'msg_dead_' || n, 'user.updated', null, repeat(md5(n::text), 200 * 32), 'unusable', 1, n, n
        from generate_series(1, 500) as n on conflict do nothing`;
      await asking();
      await answered(mirror, "/mirror/dead-letters", { headers: key });
    },
  };
}

/** Repeats what was refused for now, as Svix does. */
async function answered(target: Target, path: string, init: RequestInit): Promise<string> {
  const response = await fetch(`${target.url}${path}`, init);
  const text = await response.text();
  if (response.status === 503) return sleep(500).then(() => answered(target, path, init));
  if (!response.ok) throw new Error(`${path} was answered ${response.status}: ${text.slice(0, 300)}`);
  return text;
}

/** A Clerk that answers with whatever page it is given. */
interface HugeClerk {
  url: string;
  /** A page of users, as JSON. */
  users: Buffer;
  close(): Promise<void>;
}

async function startHugeClerk(): Promise<HugeClerk> {
  const answer = (outgoing: ServerResponse, status: number, body: string | Buffer) =>
    outgoing.writeHead(status, { "Content-Type": "application/json" }).end(body);
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? "", "http://clerk");
    incoming.resume();
    if (url.pathname === "/v1/users" || url.pathname === "/v1/users/ban") {
      const isBeyond =
        url.searchParams.has("starting_after") || Number(url.searchParams.get("offset") ?? 0) > 0;
      return answer(outgoing, 200, isBeyond ? "[]" : clerk.users);
    }
    if (url.pathname === "/v1/users/count")
      return answer(outgoing, 200, '{"object":"total_count","total_count":500}');
    if (/^\/v1\/organization(s|_memberships)$/.test(url.pathname)) {
      return answer(outgoing, 200, '{"data":[],"total_count":0}');
    }
    const error = { message: "not found", long_message: "not found", code: "resource_not_found" };
    return answer(outgoing, 404, JSON.stringify({ errors: [error] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const clerk: HugeClerk = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    users: Buffer.from("[]"),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return clerk;
}
