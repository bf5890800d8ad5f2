/** What a key may do. `proxy` is as powerful as Clerk's secret key itself. */
export const SCOPES = [
  "users:read",
  "users:write",
  "private_metadata:read",
  "changes:read",
  "proxy",
  "admin",
] as const;

export type Scope = (typeof SCOPES)[number];

/** What `CLERK_SECRET_KEY` may do as a bearer token: all that Clerk itself would answer it. */
export const CLERK_SECRET_KEY_SCOPES: readonly Scope[] = [
  "users:read",
  "users:write",
  "private_metadata:read",
  "proxy",
];
