/**
 * Every route of Clerk's API that the mirror treats in a way of its own, and what stands for all others. A new route of
 * Clerk's is one entry here. Matching, the scope a key needs, what an answer says about the mirror's data, and the name
 * in logs and metrics are read from it; `http/routes/users.ts` holds the handlers of the local reads by their name.
 */
export interface ClerkRoute {
  /** `write`: every one but GET; `any`: every one. An entry that names its method goes before these. HEAD counts as GET. */
  method: Method | "write" | "any";
  /**
   * The path, and the name of the route in logs and metrics. `{…}` stands for one segment, `**` at the end for any number
   * of them, none included. Where several templates fit, a literal beats a parameter, and both beat `**`.
   */
  template: string;
  /** What a key needs for it. */
  scope: "users:read" | "users:write" | "proxy";
  /** The handler that answers it from here; absent: it is forwarded to Clerk. */
  local?: LocalRead;
  /** What a successful answer says about the mirror's data; absent: nothing. */
  effect?: AnswerEffect["kind"];
  /** A limit of Clerk's for this endpoint alone, beside that of the whole instance. */
  ownLimit?: EndpointLimit;
}

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** The reads that the mirror answers itself. */
export type LocalRead = "list" | "count" | "get" | "memberships";

/** So many requests in so many seconds about one and the same user. */
export interface EndpointLimit {
  requests: number;
  seconds: number;
  per: "user";
}

/** What a successful answer says about the mirror's data. Ids come from the path's first parameter. */
export type AnswerEffect =
  | { kind: "none" }
  /** The answer is a user; `userId` where the path names one. */
  | { kind: "user"; userId: string | null }
  /** The answer is a list of users. */
  | { kind: "users" }
  | { kind: "user_deleted"; userId: string }
  /** The answer holds no user, but the request may have changed one; null: the answer's `user_id` says whom. */
  | { kind: "refetch_user"; userId: string | null }
  | { kind: "organization" }
  | { kind: "organizations" }
  | { kind: "organization_deleted"; organizationId: string }
  | { kind: "membership" }
  | { kind: "memberships" }
  /** The answer is the whole membership, as if it still lived. */
  | { kind: "membership_deleted" };

const READ = { scope: "users:read" } as const;
const WRITE = { scope: "users:write" } as const;
const PROXY = { scope: "proxy" } as const;
const CHANGES_ONE_USER: EndpointLimit = { requests: 10, seconds: 10, per: "user" };

const users = "/v1/users";
const user = "/v1/users/{id}";

const USERS: readonly ClerkRoute[] = [
  { method: "GET", template: users, ...READ, local: "list", effect: "users" },
  { method: "POST", template: users, ...WRITE, effect: "user" },
  { method: "GET", template: `${users}/count`, ...READ, local: "count" },
  { method: "POST", template: `${users}/ban`, ...WRITE, effect: "users" },
  { method: "POST", template: `${users}/unban`, ...WRITE, effect: "users" },
  { method: "GET", template: `${users}/me`, ...READ },
  // A token takes more than reading, whatever stands where a user's id would.
  ...["me", "count", "ban", "unban"].map(
    (word): ClerkRoute => ({ method: "GET", template: `${users}/${word}/oauth_access_tokens/**`, ...WRITE }),
  ),
  // Below `/v1/users`, but about no user in particular.
  { method: "GET", template: `${users}/**`, ...READ },
  { method: "write", template: `${users}/**`, ...WRITE },

  { method: "GET", template: user, ...READ, local: "get", effect: "user" },
  { method: "PATCH", template: user, ...WRITE, effect: "user", ownLimit: CHANGES_ONE_USER },
  { method: "DELETE", template: user, ...WRITE, effect: "user_deleted" },

  // Their answer is the whole user.
  { method: "PATCH", template: `${user}/metadata`, ...WRITE, effect: "user", ownLimit: CHANGES_ONE_USER },
  { method: "PUT", template: `${user}/metadata`, ...WRITE, effect: "user", ownLimit: CHANGES_ONE_USER },
  { method: "POST", template: `${user}/ban`, ...WRITE, effect: "user" },
  { method: "POST", template: `${user}/unban`, ...WRITE, effect: "user" },
  { method: "POST", template: `${user}/lock`, ...WRITE, effect: "user" },
  { method: "POST", template: `${user}/unlock`, ...WRITE, effect: "user" },
  { method: "POST", template: `${user}/profile_image`, ...WRITE, effect: "user" },
  { method: "DELETE", template: `${user}/profile_image`, ...WRITE, effect: "user" },
  { method: "POST", template: `${user}/remove_password`, ...WRITE, effect: "user" },
  { method: "POST", template: `${user}/password/set_compromised`, ...WRITE, effect: "user" },
  { method: "POST", template: `${user}/password/unset_compromised`, ...WRITE, effect: "user" },

  // They change the user without showing it.
  { method: "PUT", template: `${user}/email_address`, ...WRITE, effect: "refetch_user" },
  { method: "PUT", template: `${user}/phone_number`, ...WRITE, effect: "refetch_user" },
  { method: "POST", template: `${user}/verify_totp`, ...WRITE, effect: "refetch_user" },
  { method: "DELETE", template: `${user}/mfa`, ...WRITE, effect: "refetch_user" },
  { method: "DELETE", template: `${user}/totp`, ...WRITE, effect: "refetch_user" },
  { method: "DELETE", template: `${user}/backup_code`, ...WRITE, effect: "refetch_user" },
  { method: "DELETE", template: `${user}/passkeys/{id}`, ...WRITE, effect: "refetch_user" },
  { method: "DELETE", template: `${user}/web3_wallets/{id}`, ...WRITE, effect: "refetch_user" },
  { method: "DELETE", template: `${user}/external_accounts/{id}`, ...WRITE, effect: "refetch_user" },
  { method: "DELETE", template: `${user}/trusted_devices/{id}`, ...WRITE, effect: "refetch_user" },

  // They leave the user as it is. A token lets its holder act for the user elsewhere, so it takes more than reading.
  {
    method: "GET",
    template: `${user}/organization_memberships`,
    ...READ,
    local: "memberships",
    effect: "memberships",
  },
  { method: "GET", template: `${user}/organization_invitations`, ...READ },
  { method: "write", template: `${user}/organization_invitations/**`, ...WRITE },
  { method: "GET", template: `${user}/trusted_devices`, ...READ },
  { method: "GET", template: `${user}/oauth_access_tokens/**`, ...WRITE },
  { method: "GET", template: `${user}/oauth_access_tokens/{provider}`, ...WRITE },
  { method: "POST", template: `${user}/verify_password`, ...WRITE },
  { method: "GET", template: `${user}/billing/subscription`, ...READ },
  { method: "GET", template: `${user}/billing/credits`, ...READ },
  { method: "POST", template: `${user}/billing/credits`, ...WRITE },
  { method: "write", template: `${user}/billing/**`, ...WRITE },

  // What Clerk adds one day may change the user.
  { method: "GET", template: `${user}/**`, ...READ },
  { method: "write", template: `${user}/**`, ...WRITE, effect: "refetch_user" },
];

const organizations = "/v1/organizations";
const organization = "/v1/organizations/{id}";

/** What else shows or changes users, organizations and memberships. */
const OTHERS: readonly ClerkRoute[] = [
  { method: "GET", template: organizations, ...PROXY, effect: "organizations" },
  { method: "POST", template: organizations, ...PROXY, effect: "organization" },
  { method: "GET", template: organization, ...PROXY, effect: "organization" },
  { method: "PATCH", template: organization, ...PROXY, effect: "organization" },
  { method: "DELETE", template: organization, ...PROXY, effect: "organization_deleted" },
  { method: "PATCH", template: `${organization}/metadata`, ...PROXY, effect: "organization" },
  { method: "PUT", template: `${organization}/metadata`, ...PROXY, effect: "organization" },
  { method: "PUT", template: `${organization}/logo`, ...PROXY, effect: "organization" },
  { method: "DELETE", template: `${organization}/logo`, ...PROXY, effect: "organization" },

  { method: "GET", template: `${organization}/memberships`, ...PROXY, effect: "memberships" },
  { method: "POST", template: `${organization}/memberships`, ...PROXY, effect: "membership" },
  { method: "PATCH", template: `${organization}/memberships/{id}`, ...PROXY, effect: "membership" },
  {
    method: "DELETE",
    template: `${organization}/memberships/{id}`,
    ...PROXY,
    effect: "membership_deleted",
  },
  {
    method: "PATCH",
    template: `${organization}/memberships/{id}/metadata`,
    ...PROXY,
    effect: "membership",
  },
  { method: "PUT", template: `${organization}/memberships/{id}/metadata`, ...PROXY, effect: "membership" },
  { method: "GET", template: "/v1/organization_memberships", ...PROXY, effect: "memberships" },

  // The answer's `user_id` says whose they are.
  { method: "write", template: "/v1/email_addresses/**", ...PROXY, effect: "refetch_user" },
  { method: "write", template: "/v1/phone_numbers/**", ...PROXY, effect: "refetch_user" },

  { method: "any", template: "/v1/**", ...PROXY },
  // Outside `/v1`, and called by the official SDK too.
  { method: "any", template: "/api_keys/**", ...PROXY },
  { method: "any", template: "/m2m_tokens/**", ...PROXY },
  { method: "any", template: "/oauth_applications/access_tokens/**", ...PROXY },
];

export const CLERK_ROUTES: readonly ClerkRoute[] = [...USERS, ...OTHERS];

/** The route that this handler answers. */
export function routeAnsweredBy(local: LocalRead): ClerkRoute {
  const route = CLERK_ROUTES.find((entry) => entry.local === local);
  if (route === undefined) throw new Error(`No route of Clerk's is answered by ${local}.`);
  return route;
}
