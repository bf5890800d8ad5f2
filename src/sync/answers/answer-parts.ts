import { parseDeleted } from "../../clerk.js";
import type { PolicyKind } from "../../lib/field-policy/members.js";
import type { FieldPolicy } from "../../lib/field-policy/policy.js";
import { parseInParts } from "../../lib/json.js";
import type { AnswerEffect } from "../../upstream/clerk-routes.js";
import type { Item } from "../apply/batch.js";
import {
  embeddedOrganization,
  gone,
  membershipSnapshot,
  organizationSnapshot,
  userSnapshot,
} from "../fold/snapshot.js";
import type { LetterKind } from "../ledger/dead-letters.js";

/** One thing that an answer says. `item` throws `invalid_payload` if it is unusable. */
export interface Part {
  item: () => Item;
  /** What is kept if it is unusable. Null: nothing, because it is a deletion. */
  kind: LetterKind | null;
  object: unknown;
}

/** The parts of an answer, which can be applied one by one. `learntAtMs` dates deletions. */
export function partsOf(
  effect: AnswerEffect,
  value: unknown,
  { startedAtMs, learntAtMs }: { startedAtMs: number; learntAtMs: number },
): Part[] {
  const user = (object: unknown): Part => ({
    item: () => ({ users: [userSnapshot(object, "write", startedAtMs)] }),
    kind: "user",
    object,
  });
  const organization = (object: unknown): Part => ({
    item: () => ({ organizations: [organizationSnapshot(object, "write", startedAtMs)] }),
    kind: "organization",
    object,
  });
  const membership = (object: unknown): Part => ({
    item: () => {
      const snapshot = membershipSnapshot(object, "write", startedAtMs);
      return { memberships: [snapshot], organizations: embeddedOrganization(snapshot.object, startedAtMs) };
    },
    kind: "membership",
    object,
  });
  const deleted = (item: Item): Part[] => [{ item: () => item, kind: null, object: value }];
  switch (effect.kind) {
    case "user":
      return [user(value)];
    case "users":
      return listOf(value).map(user);
    case "organization":
      return [organization(value)];
    case "organizations":
      return listOf(value).map(organization);
    case "membership":
      return [membership(value)];
    case "memberships":
      return listOf(value).map(membership);
    case "user_deleted":
      return deleted({ users: [gone(effect.userId, "write", learntAtMs)] });
    case "organization_deleted":
      return deleted({ organizations: [gone(effect.organizationId, "write", learntAtMs)] });
    case "membership_deleted":
      return deleted({ memberships: [gone(parseDeleted(value).id, "write", learntAtMs)] });
    default:
      return [];
  }
}

/** Takes out of an answer what isn't stored. */
export function applyToAnswer(policy: FieldPolicy, { kind }: AnswerEffect, value: unknown): void {
  const what = KINDS[kind];
  if (!what || policy.isEmpty) return;
  for (const object of kind.endsWith("s") ? listOf(value) : [value]) policy.apply(what, object);
}

const KINDS: Partial<Record<AnswerEffect["kind"], PolicyKind>> = {
  user: "user",
  users: "user",
  organization: "organization",
  organizations: "organization",
  membership: "membership",
  memberships: "membership",
};

/** All users that an answer names: its subject, its members, and the user beside it. */
export function usersNamedIn(value: unknown): (string | null)[] {
  const answered = [value, ...listOf(value)].flatMap((object) => [idOf(object), memberOf(object)]);
  return [namedUser(value), ...answered];
}

function memberOf(value: unknown): string | null {
  const data =
    value && typeof value === "object" ? (value as { public_user_data?: unknown }).public_user_data : null;
  const id = data && typeof data === "object" ? (data as { user_id?: unknown }).user_id : null;
  return typeof id === "string" ? id : null;
}

/** The user that an answer names beside its subject. */
export function namedUser(value: unknown): string | null {
  const id = value && typeof value === "object" ? (value as { user_id?: unknown }).user_id : null;
  return typeof id === "string" ? id : null;
}

export function idOf(value: unknown): string | null {
  const id = value && typeof value === "object" ? (value as { id?: unknown }).id : null;
  return typeof id === "string" ? id : null;
}

/** A bare array, or the envelope that Clerk uses for some lists. */
function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  const data = value && typeof value === "object" ? (value as { data?: unknown }).data : null;
  return Array.isArray(data) ? data : [];
}

/** Null if the answer isn't JSON. */
export async function parseAnswer(body: Buffer): Promise<unknown> {
  try {
    return await parseInParts(body);
  } catch {
    return null;
  }
}
