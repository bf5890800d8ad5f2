import type { ClerkMembership, ClerkOrganization, ClerkUser } from "../../clerk.js";
import { parseMembership, parseOrganization, parseUser } from "../../clerk.js";

/**
 * What told us. `page`: of a walk. `write`: the answer to a forwarded request. `read`: read-through. `refetch`: asked
 * because something else could not decide. `embedded`: a copy inside another object, believed least.
 */
export type Source = "embedded" | "webhook" | "page" | "write" | "read" | "refetch";

/** An API answer ranks above a webhook of the same `updated_at`, so that Clerk's clock and ours are never compared. */
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
  /** Milliseconds. A webhook's: its envelope's `timestamp`; an API answer's: when the request started. */
  observedAtMs: number;
  source: Source;
  object: T;
}

/** The deletion of something; `observedAtMs` is when we learnt of it, since Clerk's deletions carry no time. */
export interface Gone {
  kind: "gone";
  id: string;
  observedAtMs: number;
  source: Source;
}

/** Times alone, from a session event without its user: raises the two maxima of a known live user. */
export interface Activity {
  kind: "activity";
  id: string;
  observedAtMs: number;
  source: Source;
  lastActiveAtMs: number | null;
  lastSignInAtMs: number | null;
}

/**
 * One user as Clerk described it at one moment, whatever told us.
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

/** The organization inside a membership, if it is whole enough to be one. */
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
