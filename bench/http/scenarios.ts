import type { Sql } from "../../src/db/connection/sql.js";
import type { Scenario } from "./measure.js";
import type { Target } from "./processes.js";
import { type Keys, reads, webhooks } from "./requests.js";

/** More webhooks than any of the servers handles in a second. */
const EVENTS_PER_SECOND = 12_000;
/** As many users as a cache of the default size holds with room to spare. */
const HOT = 10_000;

export const GET_BATCHED = "get by id, batched (nothing in memory)";
export const GET_CACHED = "get by id, cached";
const WEBHOOKS_VERIFIED = "webhooks verified, parsed and hashed, no database";
export const WEBHOOKS_UNCHANGED = "webhooks, identity unchanged (activity)";
export const WEBHOOKS_CHANGED = "webhooks, identity changed (name)";

export interface Servers {
  /** As it runs in production. */
  mirror: Target;
  /** The same without its cache. */
  uncached: Target;
  constant: Target;
  select: Target;
  transaction: Target;
  verify: Target;
}

export interface Material {
  sql: Sql;
  keys: Keys;
  secretKey: string;
  webhookSecret: string;
  seconds: number;
}

/** Reads and webhooks, apart. A reference stands in the same list as the scenarios that are compared with it. */
export function scenariosOf(
  { mirror, uncached, constant, select, transaction, verify }: Servers,
  { sql, keys, secretKey, webhookSecret, seconds }: Material,
): { reads: Scenario[]; webhooks: Scenario[] } {
  const get = (paths: readonly string[]) => () => reads(paths, secretKey);
  const byId = get(keys.ids.map((id) => `/v1/users/${id}`));
  const hot = get(keys.ids.slice(0, HOT).map((id) => `/v1/users/${id}`));
  const by = (name: string, values: readonly string[]) =>
    get(values.map((value) => `/v1/users?${name}=${encodeURIComponent(value)}`));
  const hundreds = Array.from({ length: 100 }, (_, n) => keys.ids.slice(n * 100, (n + 1) * 100)).filter(
    ({ length }) => length === 100,
  );
  const events = (kind: "activity" | "identity") => () =>
    webhooks(sql, { ids: keys.ids, count: EVENTS_PER_SECOND * seconds, kind, secret: webhookSecret });
  const reference = "bare Hono, one prepared SELECT";
  const lookup = { target: mirror, reference, goal: 0.45 };
  const ofReads: Scenario[] = [
    { what: "bare Hono, a constant", target: constant, requests: hot },
    { what: reference, target: select, requests: byId },
    {
      ...{ what: GET_BATCHED, target: uncached, requests: byId, reference },
      ...{ goal: 1, p99Goal: 1.5 },
    },
    {
      ...{ what: GET_CACHED, target: mirror, requests: hot },
      ...{ reference: "bare Hono, a constant", goal: 0.5 },
    },
    { what: "one prepared SELECT, one connection", target: select, requests: byId, connections: 1 },
    {
      ...{ what: "get by id, cold (nothing in memory, one connection)", target: uncached, requests: byId },
      ...{ reference: "one prepared SELECT, one connection", connections: 1 },
    },
    { ...lookup, what: "by e-mail", requests: by("email_address", keys.emails) },
    { ...lookup, what: "by username", requests: by("username", keys.usernames) },
    { ...lookup, what: "by external_id", requests: by("external_id", keys.externalIds) },
    {
      ...{ what: "100 ids in one list", target: mirror, reference, goal: 0.04 },
      requests: get(
        hundreds.map((ids) => `/v1/users?limit=100&${ids.map((id) => `user_id=${id}`).join("&")}`),
      ),
    },
    { what: "list of 10", target: mirror, reference, requests: get(["/v1/users?limit=10"]) },
    { what: "count", target: mirror, reference, requests: get(["/v1/users/count"]) },
    {
      ...{ what: "memberships of a user", target: mirror, reference },
      requests: get(keys.members.map((id) => `/v1/users/${id}/organization_memberships`)),
    },
  ];
  const ofWebhooks: Scenario[] = [
    { what: WEBHOOKS_VERIFIED, target: verify, requests: events("activity") },
    {
      ...{ what: "a transaction per webhook, identity unchanged", target: transaction },
      requests: events("activity"),
    },
    {
      ...{ what: WEBHOOKS_UNCHANGED, target: mirror, requests: events("activity") },
      ...{ reference: "a transaction per webhook, identity unchanged", goal: 3.5, p99GoalMs: 100 },
      floor: { what: WEBHOOKS_VERIFIED, as: "without a database", goal: 0.3 },
    },
    {
      ...{ what: "a transaction per webhook, identity changed", target: transaction },
      requests: events("identity"),
    },
    {
      ...{ what: WEBHOOKS_CHANGED, target: mirror, requests: events("identity") },
      ...{ reference: "a transaction per webhook, identity changed", goal: 2, p99GoalMs: 100 },
    },
  ];
  return { reads: ofReads, webhooks: ofWebhooks };
}
