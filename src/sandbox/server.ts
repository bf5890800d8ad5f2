import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { type Context, Hono, type Next } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { credentialsApi } from "./api/credentials.js";
import { knownVersion, type SandboxEnv } from "./api/http.js";
import { createListing } from "./api/listing.js";
import { organizationsApi } from "./api/organizations.js";
import { otherApi } from "./api/other.js";
import { createRateLimit } from "./api/rate-limit.js";
import { usersApi } from "./api/users.js";
import { controlApi } from "./control.js";
import { createFaults, type Faults, type HttpFault } from "./faults/faults.js";
import { createListedUsers } from "./faults/list-lag.js";
import { createWalkFaults } from "./faults/walk-faults.js";
import { createSender, SVIX_SCHEDULE_MS, type WebhookEndpoint } from "./webhooks.js";
import { createClock } from "./world/clock.js";
import { ClerkFailure, notFound } from "./world/failure.js";
import { createOrganizations } from "./world/organizations.js";
import { createRandom } from "./world/random.js";
import { seed } from "./world/seed.js";
import { createStore, showMembership, showUser } from "./world/store.js";
import { createTraffic } from "./world/traffic.js";
import type { Json } from "./world/types.js";
import { createUsers } from "./world/users.js";

export interface SandboxOptions {
  /** 0 picks a free one. */
  port?: number;
  host?: string;
  users?: number;
  organizations?: number;
  /** The number from which the first person's identifiers are made. Default 0. */
  firstPerson?: number;
  seed?: number;
  /** So many days up to now have a history of sign-ups and visits. Without: sign-ups over four years, and no visits. */
  historyDays?: number;
  /** Whether some people have halves of surrogate pairs in their metadata, which strict clients can't parse. */
  loneSurrogates?: boolean;
  /** When given, the sandbox has a virtual clock that starts here, so that ids and times are reproducible. */
  clockMs?: number;
  secretKey?: string;
  /** Requests per 10 seconds. No limit when absent. */
  rateLimit?: number;
  webhook?: WebhookEndpoint;
  retryScheduleMs?: readonly number[];
  /** False: `starting_after` is ignored, as by some other stand-ins for Clerk. */
  cursorPaging?: boolean;
}

/** A request that the sandbox has received. They are kept in order. */
export interface SandboxRequest {
  method: string;
  path: string;
  search: string;
  status: number;
  headers: Headers;
}

export type Sandbox = Awaited<ReturnType<typeof startSandbox>>;

/** Starts a stand-in for Clerk: its API, generated people, and signed webhooks. */
export async function startSandbox(options: SandboxOptions = {}) {
  const { port = 0, host = "127.0.0.1", secretKey = "sk_test_sandbox", cursorPaging = true } = options;
  const clock = createClock(options.clockMs ?? null);
  const random = createRandom(options.seed ?? 1);
  const instanceId = `ins_${random.token(27)}`;
  // Message ids have a generator of their own: how many messages are sent must not change which people are generated.
  const sender = createSender({
    clock,
    random: createRandom((options.seed ?? 1) + 1_000_003),
    instanceId,
    retryScheduleMs: options.retryScheduleMs ?? SVIX_SCHEDULE_MS,
  });
  const store = createStore(clock, random, {
    onEvent: sender.send,
    onChange(userId) {
      listed.note(userId);
      counted.note(userId);
    },
  });
  const listed = createListedUsers(store);
  const counted = createListedUsers(store);
  const listing = createListing(store, { listed, counted }, { cursorPaging });
  const users = createUsers(store);
  const walks = createWalkFaults(store, users);
  const organizations = createOrganizations(store);
  seed(store, users, organizations, {
    users: options.users ?? 0,
    organizations: options.organizations ?? 0,
    firstPerson: options.firstPerson ?? 0,
    historyDays: options.historyDays ?? 0,
    loneSurrogates: options.loneSurrogates,
  });
  if (options.webhook) sender.setEndpoint(options.webhook);
  const faults = createFaults(createRandom((options.seed ?? 1) + 2_000_003));
  const lags = {
    setList(ms: number) {
      listed.setLag(ms);
      counted.setLag(ms);
    },
    setCount: counted.setLag,
    setCountIgnores: listing.setCountIgnores,
  };
  const traffic = createTraffic({
    ...{ store, users, organizations },
    loseNext() {
      sender.faults.drop = 1;
    },
  });
  const requests: SandboxRequest[] = [];
  let onListPage: (query: URLSearchParams) => void = () => {};

  const api = new Hono<SandboxEnv>()
    .use(createRateLimit(options.rateLimit ?? null))
    .use(authenticate(secretKey))
    .use(knownVersion)
    .route(
      "/v1",
      usersApi({
        store,
        users,
        listing,
        onListPage(query) {
          walks.happen(query);
          onListPage(query);
        },
      }),
    )
    .route("/v1", credentialsApi({ store, users }))
    .route("/v1", organizationsApi({ store, organizations }))
    .route("/", otherApi(instanceId));
  const app = new Hono<SandboxEnv>()
    .onError(answerError)
    .notFound((c) => answerError(notFound("resource", c.req.path), c))
    .route("/_sandbox", controlApi({ store, clock, faults, walkFaults: walks.faults, lags, sender, traffic }))
    .use(recorded(requests))
    // `Date` follows the sandbox's clock, as Clerk's does its own. `advance_ms`, which may be negative, moves that clock.
    .use(async (c, next) => {
      await next();
      c.header("Date", new Date(clock.now()).toUTCString());
    })
    .use(faulty(faults))
    .route("/", api);

  const server = createAdaptorServer({ fetch: app.fetch });
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address() as AddressInfo;

  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`,
    secretKey,
    instanceId,
    clock,
    faults,
    walkFaults: walks.faults,
    /** By how many ms lists and counts lag behind what was written. Single users don't. 0: no lag. */
    setListLag: lags.setList,
    /** The same for counts only. */
    setCountLag: lags.setCount,
    /** Parameters that counts ignore from now on. */
    setCountIgnores: lags.setCountIgnores,
    requests,
    webhooks: sender,
    traffic,
    /** Called before each page of `GET /users` is made, for changes while somebody pages through the list. */
    set onListPage(callback: (query: URLSearchParams) => void) {
      onListPage = callback;
    },
    /** Changes Clerk's data directly, without HTTP. Webhooks are sent all the same. */
    clerk: {
      createUser: users.create,
      updateUser: users.update,
      updateMetadata: users.updateMetadata,
      deleteUser: users.remove,
      ban: (id: string) => users.setBanned(id, true),
      unban: (id: string) => users.setBanned(id, false),
      lock: (id: string) => users.setLocked(id, true),
      unlock: (id: string) => users.setLocked(id, false),
      signIn: users.signIn,
      touchActivity: users.touchActivity,
      createOrganization: organizations.create,
      updateOrganization: organizations.update,
      deleteOrganization: organizations.remove,
      createMembership: organizations.createMembership,
      updateMembership: organizations.updateMembership,
      deleteMembership: organizations.deleteMembership,
      users: (): Json[] => structuredClone([...store.users.values()].map((user) => showUser(store, user))),
      user: (id: string): Json | null => {
        const user = store.users.get(id);
        return user ? structuredClone(showUser(store, user)) : null;
      },
      memberships: (): Json[] =>
        structuredClone([...store.memberships.values()].map((one) => showMembership(store, one))),
      organizations: (): Json[] => structuredClone([...store.organizations.values()]),
    },
    async close() {
      traffic.stop();
      sender.stop();
      const closed = once(server, "close");
      server.close();
      if ("closeAllConnections" in server) server.closeAllConnections();
      await closed;
    },
  };
}

function authenticate(secretKey: string) {
  return async (c: Context<SandboxEnv>, next: Next) => {
    const header = c.req.header("Authorization");
    if (!header)
      throw new ClerkFailure(401, "authentication_invalid", "Invalid authentication", "No key was sent.");
    const [, token] = /^Bearer (\S+)$/.exec(header) ?? [];
    if (!token) {
      throw new ClerkFailure(
        401,
        "authorization_header_format_invalid",
        "Invalid Authorization header format",
      );
    }
    if (token !== secretKey)
      throw new ClerkFailure(401, "clerk_key_invalid", "The provided Clerk Secret Key is invalid.");
    await next();
  };
}

function recorded(requests: SandboxRequest[]) {
  return async (c: Context<SandboxEnv>, next: Next) => {
    const { pathname, search } = new URL(c.req.url);
    const entry = {
      method: c.req.method,
      path: pathname,
      search,
      status: 0,
      headers: new Headers(c.req.raw.headers),
    };
    requests.push(entry);
    await next();
    entry.status = c.res.status;
  };
}

function faulty(faults: Faults) {
  return async (c: Context<SandboxEnv>, next: Next) => {
    const fault = faults.next(c.req.method, new URL(c.req.url).pathname);
    if (!fault) return next();
    await faults.wait(fault);
    if (fault.cut === "before") return cut(c);
    if (fault.status !== undefined) return faultAnswer(c, fault, fault.status);
    await next();
    if (fault.cut === "after") return cut(c);
    return undefined;
  };
}

function cut(c: Context<SandboxEnv>): Response {
  c.env.incoming.socket.destroy();
  return c.body(null);
}

function faultAnswer(c: Context<SandboxEnv>, { retryAfter, body }: HttpFault, status: number): Response {
  if (retryAfter !== undefined) c.header("Retry-After", String(retryAfter));
  if (typeof body === "string") return c.html(body, status as ContentfulStatusCode);
  const code = status === 429 ? "too_many_requests" : "internal_clerk_error";
  const made = { errors: [{ message: "Fault", long_message: "A fault of the sandbox.", code }] };
  return c.json((body ?? made) as Json, status as ContentfulStatusCode);
}

function answerError(error: Error, c: Context<SandboxEnv>): Response {
  const failure =
    error instanceof ClerkFailure
      ? error
      : new ClerkFailure(500, "internal_clerk_error", "Internal error", error.stack);
  if (failure.retryAfterSeconds !== null) c.header("Retry-After", String(failure.retryAfterSeconds));
  const { message, longMessage, code, meta, status } = failure;
  const body = {
    errors: [{ message, long_message: longMessage, code, ...(meta && { meta }) }],
    clerk_trace_id: crypto.randomUUID(),
  };
  return c.json(body, status as ContentfulStatusCode);
}
