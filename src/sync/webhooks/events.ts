import type { WebhookEvent } from "../../clerk.js";
import { parseDeleted, parseSession } from "../../clerk.js";
import type { Item } from "../apply/batch.js";
import type { Activity } from "../fold/snapshot.js";
import {
  embeddedOrganization,
  gone,
  membershipSnapshot,
  organizationSnapshot,
  userSnapshot,
} from "../fold/snapshot.js";
import type { Refetch } from "../ledger/refetch-queue.js";

/** Svix's own tolerance. An envelope's time further ahead of our clock than this is not believed. */
const FUTURE_MS = 300_000;

/**
 * What a webhook says, or null for a type that the mirror doesn't use. Throws `invalid_payload` if `data` lacks something
 * that the type needs. `nowMs` is the primary's time: it dates deletions, which have no time of their own, and envelopes
 * without one.
 */
export function itemOfEvent(event: WebhookEvent, nowMs: number): Item | null {
  const { timestampMs } = event;
  const observedAtMs = timestampMs !== null && timestampMs <= nowMs + FUTURE_MS ? timestampMs : nowMs;
  switch (event.type) {
    case "user.created":
    case "user.updated":
      return { users: [userSnapshot(event.data, "webhook", observedAtMs)] };
    case "user.deleted":
      return { users: [gone(parseDeleted(event.data).id, "webhook", nowMs)] };
    case "organization.created":
    case "organization.updated":
      return { organizations: [organizationSnapshot(event.data, "webhook", observedAtMs)] };
    case "organization.deleted":
      return { organizations: [gone(parseDeleted(event.data).id, "webhook", nowMs)] };
    case "organizationMembership.created":
    case "organizationMembership.updated": {
      const membership = membershipSnapshot(event.data, "webhook", observedAtMs);
      return {
        memberships: [membership],
        organizations: embeddedOrganization(membership.object, observedAtMs),
      };
    }
    // The event's data are the whole membership, as if it still existed.
    case "organizationMembership.deleted":
      return { memberships: [gone(parseDeleted(event.data).id, "webhook", nowMs)] };
    default:
      return event.type.startsWith("session.") ? itemOfSession(event, observedAtMs) : null;
  }
}

/** A session event has the whole user, or only times: then Clerk is asked for the rest. */
function itemOfSession(event: WebhookEvent, observedAtMs: number): Item {
  const session = parseSession(event.data);
  const lastActiveAtMs = session.last_active_at ?? null;
  const lastSignInAtMs = event.type === "session.created" ? (session.created_at ?? null) : null;
  if (session.user) {
    const user = userSnapshot(session.user, "webhook", observedAtMs);
    return { users: [{ ...user, sessionTimesMs: [lastActiveAtMs, lastSignInAtMs] }] };
  }
  const activity: Activity = {
    kind: "activity",
    id: session.user_id,
    observedAtMs: Math.trunc(observedAtMs),
    source: "webhook",
    lastActiveAtMs,
    lastSignInAtMs,
  };
  return { users: [activity] };
}

/** The id of the user that an event is about, if its data can be read. */
export function userIdOf({ type, data }: WebhookEvent): string | null {
  if (type.startsWith("user.")) return idIn(data, "id");
  if (type.startsWith("session.")) return idIn(data, "user_id");
  return type.startsWith("organizationMembership.") ? idIn(memberIn(data), "user_id") : null;
}

/** What Clerk must be asked about because the event can't be applied: everything that it may have changed. */
export function questionsOf(event: WebhookEvent): Pick<Refetch, "kind" | "id">[] {
  const { type, data } = event;
  const userId = userIdOf(event);
  const organizationId = type.startsWith("organization.") ? idIn(data, "id") : null;
  const membership = type.startsWith("organizationMembership.") ? membershipKey(data) : null;
  return [
    ...(userId ? [{ kind: "user", id: userId } as const] : []),
    ...(organizationId ? [{ kind: "organization", id: organizationId } as const] : []),
    ...(membership ? [{ kind: "membership", id: membership } as const] : []),
  ];
}

/** The key by which Clerk is asked for a membership: `<organization id>/<user id>`. Null: the event lacks one of them. */
export function membershipKey(membership: unknown): string | null {
  const organizationId = idIn(membersOf(membership).organization, "id");
  const userId = idIn(memberIn(membership), "user_id");
  if (!organizationId || !userId || `${organizationId}${userId}`.includes("/")) return null;
  return `${organizationId}/${userId}`;
}

const memberIn = (membership: unknown) => membersOf(membership).public_user_data;

/** An id that Clerk could be asked for. */
export function idIn(value: unknown, name: string): string | null {
  const id = membersOf(value)[name];
  return typeof id === "string" && /^[!-~]{1,200}$/.test(id) ? id : null;
}

const membersOf = (value: unknown): Record<string, unknown> =>
  value !== null && typeof value === "object" ? (value as Record<string, unknown>) : {};
