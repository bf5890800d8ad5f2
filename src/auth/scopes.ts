import { AppError } from "../lib/errors.js";

/** The rights that a key may have. `proxy` is as powerful as Clerk's secret key itself. */
export const SCOPES = [
  "users:read",
  "users:write",
  "private_metadata:read",
  "changes:read",
  "proxy",
  "admin",
] as const;

export type Scope = (typeof SCOPES)[number];

/** The rights of `CLERK_SECRET_KEY` as a bearer token: everything that Clerk itself would answer it. */
export const CLERK_SECRET_KEY_SCOPES: readonly Scope[] = [
  "users:read",
  "users:write",
  "private_metadata:read",
  "proxy",
];

/** Throws `forbidden`, naming the scope that is missing. */
export function demandScope(scopes: ReadonlySet<Scope>, scope: Scope): void {
  if (scopes.has(scope)) return;
  throw new AppError("forbidden", `This key lacks the scope ${scope}.`, { meta: { scope } });
}
