import { createAuthenticator, type Principal } from "../../src/auth/keys.js";
import type { Scope } from "../../src/auth/scopes.js";
import { unwatched } from "../../src/db/connection/availability.js";
import { type AppDeps, createApp } from "../../src/http/app.js";
import { createRequestLog } from "../../src/http/request-observer.js";
import { createWebhookReceiver, type WebhookDeps } from "../../src/http/webhook-receiver.js";
import { silentLogger } from "../../src/observability/logger.js";
import type { Run } from "../../src/sync/ledger/runs.js";
import { START } from "../../src/sync/ledger/windows.js";

export const SECRET_KEY = "sk_test_stand_in";
export const MIRROR_KEY = "um_stand_in";
/** `svix` signs with what follows the prefix, decoded. */
export const WEBHOOK_SECRET = `whsec_${Buffer.from("the first signing secret").toString("base64")}`;

export const PRIVATE_USER = {
  id: "user_1",
  object: "user",
  public_metadata: { private_metadata: "its own" },
  private_metadata: { secret: true },
  email_addresses: [],
};

export const RUN: Run = {
  id: "run_1",
  mode: "full",
  state: "running",
  queued_at: 1,
  started_at: 2,
  finished_at: null,
  users: { seen: 3, expected: 4 },
  windows: { total: 1, done: 0 },
  differences: { missed_create: 0, missed_update: 0, missed_delete: 0 },
  difference_ids: {},
  requests: 1,
  eta: null,
  error: null,
};

export const LETTER = {
  id: "walk:user_1",
  kind: "user" as const,
  type: null,
  userId: "user_1",
  payload: Buffer.from('{"secret":"personal"}'),
  error: "not a usable user",
  attempts: 2,
  receivedAtMs: 1,
  triedAtMs: 2,
};

export interface ForwardedRequest {
  method: string;
  path: string;
  search: string;
  headers: Headers;
  body: ReadableStream | null;
}

type ClerkAnswer = { status: number; body?: unknown; headers?: Headers };

type ClerkAnswers = (request: ForwardedRequest) => ClerkAnswer | Promise<ClerkAnswer>;

const NONE = { missed_create: 0, missed_update: 0, missed_delete: 0 };

/** Of a mirror that is well. */
export const STATUS = {
  ...{
    state: "live",
    users: 10,
    organizations: 1,
    memberships: 1,
    as_of: 1_700_000_000_000,
    memberships_as_of: null,
  },
  upstream: { api_url: "u", environment: "test", users: 10, users_here: 10, counted_at: 5 },
  activity: { complete_days: 3, incomplete_days: [] as string[] },
  last_runs: [],
  drift: { found: NONE, repaired: NONE },
  walker: { holder: "host 1", expires_at: 5 },
  budget: { limit: 100, used: { urgent: 0, background: 0 }, share: 1, paused_until: null },
  ...{ cache: null, dead_letters: 0, refetches: 0, lag: null },
  webhooks: { configured: true, outcomes: { applied: 7 }, per_second: 0.5 },
  ...{ versions: { mirror: "1" }, database: { embedded: null } },
};

/** A variable as `GET /mirror/config` has it. */
export const VARIABLE = {
  ...{ name: "PORT", description: "where <i>the server</i> listens", value: "8787", default: "8787" },
  ...{ source: "environment", secret: false },
};

/** A key as it is listed. */
export const KEY = {
  ...{ id: "key_1", name: "<b>backend</b>", scopes: ["users:read"], rate: 5000, in_flight: 1000 },
  ...{ created_at: 1_700_000_000_000, revoked_at: null, last_used_at: null },
};

/** What a test replaces: the parts of the app, and what Clerk answers to a forwarded request. */
export type Overrides = Partial<Omit<AppDeps, "webhooks">> & {
  webhooks?: Partial<WebhookDeps>;
  clerkAnswers?: ClerkAnswers;
};

/** An app over stand-ins of every part, and what these were asked, in order. */
export function standInApp(overrides: Overrides = {}) {
  const asked: unknown[] = [];
  const clerkAnswers: ClerkAnswers = overrides.clerkAnswers ?? (() => ({ status: 200, body: PRIVATE_USER }));
  const log = overrides.log ?? silentLogger();
  const { webhooks, ...others } = overrides;
  const parts: AppDeps = {
    log,
    observe: createRequestLog(log),
    trace: undefined,
    countFailure: () => {},
    scrape: async () => ({ type: "text/plain; version=0.0.4; charset=utf-8", text: "up 1\n" }),
    openAccess: { openTo: "none", host: "127.0.0.1" },
    authenticate: createAuthenticator({
      secretKey: SECRET_KEY,
      mirrorApiKey: MIRROR_KEY,
      acceptClerkSecretKey: true,
    }),
    readiness: () => "live",
    keys: {
      list: async () => [KEY],
      async create(wanted) {
        asked.push(["create key", wanted]);
        const { name, scopes } = wanted;
        return { id: "key_2", name, scopes: [...scopes], rate: 5000, in_flight: 1000, key: "um_made" };
      },
      async revoke(idOrName) {
        asked.push(["revoke", idOrName]);
        return idOrName === KEY.id ? { ...KEY, revoked_at: 5 } : null;
      },
    },
    dashboard: { secretKey: SECRET_KEY, nowMs: Date.now },
    webhooks: createWebhookReceiver({
      secrets: [WEBHOOK_SECRET],
      ingest: {
        async receive(message) {
          asked.push(["receive", message.messageId, message.raw.toString("utf8")]);
          return { status: "applied", version: null };
        },
      },
      ...webhooks,
    }),
    availability: unwatched,
    positions: { current: async () => "1-0/1", isReached: async () => true },
    admin: {
      configuration: () => [VARIABLE],
      status: { read: async () => STATUS },
      reconciler: {
        async start(mode) {
          asked.push(["start", mode]);
          return "run_1";
        },
        run: async (id) => (id === RUN.id ? RUN : null),
        list: async (limit, selection) => {
          asked.push(["runs", limit, selection]);
          return [RUN];
        },
        windows: async () => [{ position: 0, afterMs: null, beforeMs: 9, checkpoint: START }],
        async stop(id, by) {
          asked.push(["stop", id, by]);
          return "stopped";
        },
      },
    },
    deadLetters: {
      list: async () => [LETTER],
      find: async (id) => (id === LETTER.id ? LETTER : null),
      async replay(id) {
        asked.push(["replay", id]);
        return id === LETTER.id ? "applied" : null;
      },
      async drop(id) {
        asked.push(["drop", id]);
        return id === LETTER.id;
      },
    },
    changes: {
      pages: {
        newest: async () => ({ position: 7, atMs: 70 }),
        recent: async () => ({ position: 6, atMs: 60 }),
        async after(place, { kinds, limit }) {
          asked.push(["changes", place, [...kinds], limit]);
          const row = { type: "user.upserted", id: "user_1", updatedAtMs: 5, position: 8, atMs: 80 } as const;
          return { rows: [row], end: { position: 8, atMs: 80 }, hasMore: false };
        },
      },
      tail: {
        notice() {},
        follow: () => ({ read: () => null, wait: async () => {}, leave() {} }),
        run: async () => {},
        isClosing: () => true,
      },
      objects: {
        read: async (names, view) => names.map((name) => Buffer.from(JSON.stringify({ ...name, view }))),
      },
      asOfMs: () => 60,
    },
    backfill: { isBackfilled: () => true, progress: async () => null },
    dailyUsers: {
      async read(from, to) {
        asked.push(["daily", from, to]);
        return [
          { day: from, users: 7, created: 2, deleted: null, active: null, active_complete: false },
          { day: to, users: 8, created: 1, deleted: 0, active: 3, active_complete: true },
        ];
      },
      nowMs: () => Date.UTC(2026, 10, 29, 12),
      asOfMs: () => 60,
    },
    userQueries: {
      async search(query, view) {
        asked.push(["search", query.filter, view]);
        return Buffer.from('{"data":[]}');
      },
      stream: () => null,
      nowMs: () => 1_700_000_000_000,
      asOfMs: () => 1_700_000_000_000,
    },
    lookup: {
      async lookUpUsers({ by, keys }, view) {
        asked.push(["look up", by, keys, view]);
        return Buffer.from("[]");
      },
      asOfMs: () => 1_700_000_000_000,
    },
    aggregate: {
      aggregates: {
        async of(request) {
          asked.push(["aggregate", request]);
          return '{"data":[],"other":0,"total":0}';
        },
      },
      cohorts: {
        async of(request) {
          asked.push(["retention", request]);
          return '{"data":[]}';
        },
      },
      nowMs: () => 1_800_000_000_000,
      asOfMs: () => 1_700_000_000_000,
    },
    organizations: {
      organizations: {
        async list(page) {
          asked.push(["organizations", page]);
          return { data: [], next_cursor: null };
        },
        get: async () => null,
        async members(id, page) {
          asked.push(["members", id, page]);
          return { data: [], next_cursor: null };
        },
      },
      asOfMs: () => 1_600_000_000_000,
    },
    readUserHistory: async () => ({
      stored: null,
      waiting: null,
      events: [{ kind: "run", at: 1, run_id: "run_1", mode: "full", reason: "missed_update" }],
      since: { webhooks: 1, changes: null },
    }),
    users: {
      users: {
        getFromMemory: () => null,
        get: async (id, view) =>
          id === "user_1"
            ? { kind: "live", body: Buffer.from(JSON.stringify({ id, view })), etag: '"tag"' }
            : { kind: id === "user_gone" ? "gone" : "unknown" },
        list: async (params, view) =>
          Buffer.from(JSON.stringify([{ id: "user_1", limit: params.limit, view }])),
        count: async () => 7,
      },
      memberships: {
        list: async (id, page, view) =>
          id === "user_1" ? JSON.stringify({ data: [], total_count: 0, page, view }) : null,
      },
      readThrough: {
        async user(id) {
          asked.push(["read through", id]);
          return { kind: "gone" };
        },
      },
      completeness: {
        isBackfilled: () => true,
        asOfMs: () => 1_700_000_000_000,
        membershipsAsOfMs: () => 1_600_000_000_000,
      },
      unapplied: { concerns: () => false },
    },
    clerk: {
      async forward(request) {
        asked.push(["forward", request.method, request.path + request.search]);
        const { status, body, headers } = await clerkAnswers(request as ForwardedRequest);
        return {
          status,
          headers: headers ?? new Headers({ "content-type": "application/json" }),
          body: Buffer.from(body === undefined ? "" : JSON.stringify(body)),
          startedAtMs: 1,
        };
      },
      writeThrough: {
        async applyAnswer(effect, answer) {
          asked.push(["apply", effect.kind, answer.status]);
          return true;
        },
        async applyUnanswered(effect) {
          asked.push(["unanswered", effect.kind]);
        },
      },
    },
    ...others,
  };
  return { app: createApp(parts), asked, parts };
}

/** Whoever asks, with exactly these scopes. */
export function principalWith(...scopes: Scope[]): () => Principal {
  return () => ({ name: "test", scopes: new Set(scopes) });
}

export const bearer = (key: string) => ({ headers: { Authorization: `Bearer ${key}` } });
