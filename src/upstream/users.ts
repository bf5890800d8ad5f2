import { AppError } from "../lib/errors.js";
import { parseInParts } from "../lib/json.js";
import type { Call, Upstream, UpstreamResponse } from "./client.js";
import { clerkErrorOf, sentence } from "./errors.js";

export interface Page {
  items: unknown[];
  /** How many bytes the answer had. Absent if it was made up here. */
  bytes?: number;
  /** Null where the answer is a bare array. */
  totalCount: number | null;
  /** When the request was sent, in milliseconds by the primary's clock. What the answer shows is no older. */
  startedAtMs: number;
}

export type One =
  | { kind: "live"; object: Record<string, unknown>; startedAtMs: number }
  | { kind: "gone"; startedAtMs: number };

export interface UserListQuery {
  limit: number;
  offset?: number;
  orderBy?: string;
  startingAfter?: string;
  createdAtAfter?: number;
  createdAtBefore?: number;
  /** Strictly after: whoever was active at this very moment is left out. */
  lastActiveAtAfter?: number;
  userIds?: readonly string[];
}

/** What a count takes: the filters alone. */
export type UserCountQuery = Omit<UserListQuery, "limit" | "offset" | "orderBy" | "startingAfter">;

export interface PageQuery {
  limit: number;
  offset: number;
  orderBy?: string;
}

/**
 * The reads of Clerk that the mirror makes for itself. A query that Clerk refuses rejects with Clerk's code in
 * `clerkCode`.
 */
export interface ClerkApi {
  listUsers(query: UserListQuery, call: Call): Promise<Page>;
  countUsers(query: UserCountQuery, call: Call): Promise<number>;
  /** `gone` only for a 404 with the code `resource_not_found`. Any other 404 is about the way to Clerk. */
  getUser(id: string, call: Call): Promise<One>;
  getOrganization(id: string, call: Call): Promise<One>;
  listOrganizations(query: PageQuery, call: Call): Promise<Page>;
  listMemberships(query: PageQuery, call: Call): Promise<Page>;
  listOrganizationMemberships(
    organizationId: string,
    query: PageQuery & { userIds: readonly string[] },
    call: Call,
  ): Promise<Page>;
  /** Null if Clerk, or its stand-in, doesn't say. */
  getInstance(call: Call): Promise<{ id: string } | null>;
  /** Add it to our time to get Clerk's time, or an earlier one. */
  clockOffsetMs(): number;
}

export function createClerkApi(upstream: Upstream): ClerkApi {
  async function one(path: string, call: Call): Promise<One> {
    const response = await upstream.get(path, [], call);
    const { startedAtMs } = response;
    if (response.status === 404 && clerkErrorOf(response.body).code === "resource_not_found") {
      return { kind: "gone", startedAtMs };
    }
    return { kind: "live", object: objectOf(await success(response)), startedAtMs };
  }

  async function page(path: string, query: Record<string, unknown>, call: Call): Promise<Page> {
    const response = await upstream.get(path, parameters(query), call);
    const page = pageOf(await success(response));
    return { ...page, bytes: response.body.length, startedAtMs: response.startedAtMs };
  }

  return {
    listUsers: (query, call) => page("/v1/users", userParameters(query), call),
    async countUsers(query, call) {
      const response = await upstream.get("/v1/users/count", parameters(userParameters(query)), call);
      const { total_count: total } = objectOf(await success(response));
      if (typeof total === "number") return total;
      throw unexpected("a count of users");
    },
    getUser: (id, call) => one(`/v1/users/${encodeURIComponent(id)}`, call),
    getOrganization: (id, call) => one(`/v1/organizations/${encodeURIComponent(id)}`, call),
    listOrganizations: (query, call) => page("/v1/organizations", pageParameters(query), call),
    listMemberships: (query, call) => page("/v1/organization_memberships", pageParameters(query), call),
    listOrganizationMemberships: (organizationId, { userIds, ...query }, call) =>
      page(
        `/v1/organizations/${encodeURIComponent(organizationId)}/memberships`,
        { ...pageParameters(query), user_id: userIds },
        call,
      ),
    async getInstance(call) {
      const response = await upstream.get("/v1/instance", [], call);
      if (response.status !== 200) return null;
      const { id } = objectOf(await success(response));
      return typeof id === "string" ? { id } : null;
    },
    clockOffsetMs: () => upstream.clockOffsetMs(),
  };
}

function userParameters(query: Partial<UserListQuery>): Record<string, unknown> {
  return {
    limit: query.limit,
    offset: query.offset,
    order_by: query.orderBy,
    starting_after: query.startingAfter,
    created_at_after: query.createdAtAfter,
    created_at_before: query.createdAtBefore,
    last_active_at_after: query.lastActiveAtAfter,
    user_id: query.userIds,
  };
}

const pageParameters = (query: PageQuery) => ({
  limit: query.limit,
  offset: query.offset,
  order_by: query.orderBy,
});

/** Arrays as repeated keys; what is undefined isn't sent. */
function parameters(query: Record<string, unknown>): [string, string][] {
  return Object.entries(query).flatMap(([name, value]): [string, string][] => {
    if (value === undefined) return [];
    return (Array.isArray(value) ? value : [value]).map((one) => [name, String(one)]);
  });
}

async function success(response: UpstreamResponse): Promise<unknown> {
  if (response.status >= 200 && response.status < 300) {
    try {
      return await parseInParts(response.body);
    } catch (cause) {
      throw new AppError("upstream_unavailable", "Clerk's answer is not JSON.", { cause });
    }
  }
  const { code, message } = clerkErrorOf(response.body);
  throw new AppError(
    "upstream_refused",
    sentence(`Clerk answered ${response.status}: ${message ?? "no reason given"}`),
    {
      ...(code && { clerkCode: code }),
      meta: { status: response.status },
    },
  );
}

/** A bare array, or the envelope that Clerk uses elsewhere and some stand-ins use everywhere. */
function pageOf(value: unknown): Omit<Page, "startedAtMs"> {
  if (Array.isArray(value)) return { items: value, totalCount: null };
  const { data, total_count: total } = objectOf(value);
  if (Array.isArray(data)) return { items: data, totalCount: typeof total === "number" ? total : null };
  throw unexpected("a list");
}

function objectOf(value: unknown): Record<string, unknown> {
  if (value !== null && typeof value === "object" && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw unexpected("an object");
}

const unexpected = (what: string) => new AppError("upstream_unavailable", `Clerk's answer is not ${what}.`);
