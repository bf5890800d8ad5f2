import type { Sql } from "../../db/connection/sql.js";
import { AppError } from "../../lib/errors.js";
import type { ClerkApi, Page } from "../../upstream/users.js";
import { applyItems } from "../apply/apply.js";
import { isPoison } from "../apply/isolate.js";
import { gone, membershipSnapshot } from "../fold/snapshot.js";
import { deadObjectOf, dropDeadLetters, keepDeadObject, lettersOf } from "../ledger/dead-letters.js";
import { idOf } from "../reconcile/clerk-pages.js";

interface MembershipDeps {
  sql: Sql;
  api: Pick<ClerkApi, "listOrganizationMemberships">;
  lagMs: number;
}

/**
 * Asks for the memberships of one user in one organization, `<organization id>/<user id>`. Those that the mirror
 * holds beside them are gone. False if Clerk doesn't know the organization.
 */
export async function refetchMembership(
  { sql, api, lagMs }: MembershipDeps,
  key: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const [organizationId = "", userId = ""] = key.split("/");
  const page = await ask(api, organizationId, userId, signal);
  if (!page) return false;
  // Some stand-ins for Clerk ignore the filter.
  const theirs = page.items.filter((item) => userIn(item) === userId);
  for (const item of theirs) {
    const id = idOf(item) ?? "without an id";
    try {
      const snapshot = membershipSnapshot(item, "refetch", page.startedAtMs);
      await applyItems(sql, [{ memberships: [snapshot] }], { lagMs });
      await dropDeadLetters(sql, lettersOf("membership", id));
    } catch (error) {
      if (!isPoison(error)) throw error;
      await keepDeadObject(sql, { kind: "membership", id }, item, error);
    }
  }
  if (theirs.length < page.items.length) return true;
  const shown = new Set(theirs.map(idOf));
  const held = await sql<{ id: string }[]>`
    select id from mirror_data.organization_memberships
    where organization_id = ${organizationId} and user_id = ${userId} and payload is not null`;
  const left = held.filter(({ id }) => !shown.has(id));
  await applyItems(sql, [{ memberships: left.map(({ id }) => gone(id, "refetch", page.startedAtMs)) }], {
    lagMs,
  });
  await dropLettersOfLeft(sql, { organizationId, userId, shown });
  return true;
}

async function ask(
  api: MembershipDeps["api"],
  organizationId: string,
  userId: string,
  signal?: AbortSignal,
): Promise<Page | null> {
  const query = { userIds: [userId], limit: 100, offset: 0 };
  try {
    return await api.listOrganizationMemberships(organizationId, query, {
      priority: "refetch",
      ...(signal && { signal }),
    });
  } catch (error) {
    if (error instanceof AppError && error.clerkCode?.toLowerCase() === "resource_not_found") return null;
    throw error;
  }
}

const MOST_LETTERS = 1000;

/** The letters about memberships that Clerk no longer has. */
async function dropLettersOfLeft(
  sql: Sql,
  { organizationId, userId, shown }: { organizationId: string; userId: string; shown: Set<string | null> },
): Promise<void> {
  const letters = await sql<{ id: string; payload: string }[]>`
    select id, payload from mirror_data.dead_letters
    where id like 'walk:membership:%' or id like 'walk:orgmem%' limit ${MOST_LETTERS}`;
  const left = letters.filter(({ id, payload }) => {
    if (shown.has(deadObjectOf(id)?.id ?? null)) return false;
    const object: unknown = JSON.parse(Buffer.from(payload, "base64").toString("utf8"));
    return userIn(object) === userId && organizationIn(object) === organizationId;
  });
  await dropDeadLetters(
    sql,
    left.map(({ id }) => id),
  );
}

const userIn = (item: unknown) =>
  (item as { public_user_data?: { user_id?: unknown } | null } | null)?.public_user_data?.user_id ?? null;
const organizationIn = (item: unknown) =>
  (item as { organization?: { id?: unknown } | null } | null)?.organization?.id ?? null;
