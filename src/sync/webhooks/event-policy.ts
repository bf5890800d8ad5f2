import type { WebhookEvent } from "../../clerk.js";
import type { PolicyKind } from "../../lib/field-policy/members.js";
import type { FieldPolicy } from "../../lib/field-policy/policy.js";
import { printed } from "../ledger/dead-letters.js";

/** What the data of an event are, by the first part of its type. */
const KINDS: Readonly<Record<string, PolicyKind>> = {
  user: "user",
  organization: "organization",
  organizationMembership: "membership",
};

/** Takes out of an event what isn't stored. Of a type that the rules don't know, nothing is left but the type. */
export function applyToEvent(policy: FieldPolicy, event: WebhookEvent): void {
  if (policy.isEmpty) return;
  const [subject = ""] = event.type.split(".", 1);
  const kind = KINDS[subject];
  if (kind) policy.apply(kind, event.data);
  else if (subject === "session") policy.apply("user", (event.data as { user?: unknown } | null)?.user);
  else event.data = null;
}

/** What a dead letter holds of an event to which a policy was applied. Nothing where it couldn't be read: there is no telling what is in it. */
export function keptOf(event: WebhookEvent | null): Buffer {
  if (!event) return Buffer.alloc(0);
  const { type, data, timestampMs, instanceId } = event;
  return Buffer.from(
    printed({ type, object: "event", data, timestamp: timestampMs, instance_id: instanceId }),
  );
}
