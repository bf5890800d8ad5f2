import type { ClerkMembership, ClerkOrganization, ClerkUser } from "../../clerk.js";
import { parseMembership, parseOrganization, parseUser } from "../../clerk.js";

/**
 * Where a snapshot comes from. `page`: a page of a walk. `write`: the answer to a forwarded request. `read`: a read-through.
 * `refetch`: a question that was asked because other sources couldn't decide. `embedded`: a copy inside another object, which
 * is trusted least.
 */
export type Source = "embedded" | "webhook" | "page" | "write" | "read" | "refetch";

/** An answer of the API ranks above a webhook with the same `updated_at`, so that Clerk's clock is never compared with ours. */
export const RANK: Record<Source, number> = {
  embedded: 0,
  webhook: 1,
  page: 2,
  write: 2,
  read: 2,
  refetch: 2,
};

export interface Live<T> {
  kind: "live";
  id: string;
  /** For a webhook the `timestamp` of its envelope; for an answer of the API the moment when the request started. */
  observedAtMs: number;
  source: Source;
  object: T;
  /** At these times, too, the user was active: those of the session that the user came with. */
  sessionTimesMs?: readonly (number | null)[];
}

/** A deletion. `observedAtMs` is when the mirror learnt of it, since Clerk's deletions have no time of their own. */
export interface Gone {
  kind: "gone";
  id: string;
  observedAtMs: number;
  source: Source;
  /** Somebody asked that the user be forgotten: nothing revives this tombstone, and nothing about its user is kept any more. */
  erases?: boolean;
}

/**
 * Times from a session event that comes without its user. They raise the greatest times of a known live user; for an unknown one they
 * wait beside the question to Clerk, and come with its answer (source `refetch`).
 */
export interface Activity {
  kind: "activity";
  id: string;
  observedAtMs: number;
  source: Source;
  lastActiveAtMs: number | null;
  lastSignInAtMs: number | null;
}

/**
 * One user as Clerk described it at one moment, whatever the source.
 *
 * Invariant: `fold` puts the snapshots of one `id` in a total order. Every source becomes a snapshot before it touches
 * the database, so ordering is decided in one place.
 */
export type UserSnapshot = Live<ClerkUser> | Gone | Activity;
export type OrganizationSnapshot = Live<ClerkOrganization> | Gone;
export type MembershipSnapshot = Live<ClerkMembership> | Gone;

export function userSnapshot(value: unknown, source: Source, observedAtMs: number): Live<ClerkUser> {
  const object = parseUser(value);
  return { kind: "live", id: object.id, observedAtMs: Math.trunc(observedAtMs), source, object };
}

export function organizationSnapshot(
  value: unknown,
  source: Source,
  observedAtMs: number,
): Live<ClerkOrganization> {
  const object = parseOrganization(value);
  return { kind: "live", id: object.id, observedAtMs: Math.trunc(observedAtMs), source, object };
}

export function membershipSnapshot(
  value: unknown,
  source: Source,
  observedAtMs: number,
): Live<ClerkMembership> {
  const object = parseMembership(value);
  return { kind: "live", id: object.id, observedAtMs: Math.trunc(observedAtMs), source, object };
}

/** The organization inside a membership, if it has all that an organization needs. */
export function embeddedOrganization(
  membership: ClerkMembership,
  observedAtMs: number,
): OrganizationSnapshot[] {
  try {
    return [organizationSnapshot(membership.organization, "embedded", observedAtMs)];
  } catch {
    return [];
  }
}

export function gone(id: string, source: Source, observedAtMs: number): Gone {
  return { kind: "gone", id, observedAtMs: Math.trunc(observedAtMs), source };
}
