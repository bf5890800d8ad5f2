import type { WebhookEvent } from "../clerk.js";
import { parseDeleted, parseMembership, parseSession } from "../clerk.js";
import type { Item } from "./apply.js";
import type { Activity } from "./snapshot.js";
import {
  embeddedOrganization,
  gone,
  membershipSnapshot,
  organizationSnapshot,
  userSnapshot,
} from "./snapshot.js";

/** Svix's own tolerance: an envelope further ahead of our clock than this is of no clock we know. */
const FUTURE_MS = 300_000;

/**
 * What a webhook says, or null for a type that the mirror doesn't use; throws `invalid_payload` when `data` lacks what
 * the type needs. `nowMs`, on the primary's clock, dates deletions, which carry no time, and envelopes without one.
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
    // Its data are the whole membership, as if it still lived.
    case "organizationMembership.deleted":
      return { memberships: [gone(parseDeleted(event.data).id, "webhook", nowMs)] };
    default:
      return event.type.startsWith("session.") ? itemOfSession(event, observedAtMs) : null;
  }
}

/** A session brings the whole user, or else only times, and then Clerk is asked for the rest. */
function itemOfSession(event: WebhookEvent, observedAtMs: number): Item {
  const session = parseSession(event.data);
  if (session.user) return { users: [userSnapshot(session.user, "webhook", observedAtMs)] };
  const activity: Activity = {
    kind: "activity",
    id: session.user_id,
    observedAtMs: Math.trunc(observedAtMs),
    source: "webhook",
    lastActiveAtMs: session.last_active_at ?? null,
    lastSignInAtMs: event.type === "session.created" ? (session.created_at ?? null) : null,
  };
  return { users: [activity] };
}

/** The user that an event is about, as far as its data can be read at all. */
export function userIdOf(event: WebhookEvent): string | null {
  const reads: [RegExp, () => string][] = [
    [/^user\./, () => parseDeleted(event.data).id],
    [/^session\./, () => parseSession(event.data).user_id],
    [/^organizationMembership\./, () => parseMembership(event.data).public_user_data.user_id],
  ];
  const read = reads.find(([types]) => types.test(event.type));
  try {
    return read ? read[1]() : null;
  } catch {
    return null;
  }
}
