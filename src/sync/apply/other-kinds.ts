import { textArray } from "../../db/connection/bulk.js";
import type { Tx } from "../../db/connection/sql.js";

type Kind = "user" | "organization" | "membership";

/** What Clerk's own ids begin with. */
const PREFIX: Record<Kind, string> = { user: "user_", organization: "org_", membership: "orgmem_" };

/**
 * Those of these ids that are something else's, by Clerk's prefixes or because the mirror knows that. Clerk has no user of
 * an organization's id, and says so: that is no deletion, and a tombstone of it would be told of as one.
 */
export async function idsOfOtherKinds(tx: Tx, kind: Kind, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const others = Object.entries(PREFIX).filter(([other]) => other !== kind);
  const byPrefix = ids.filter((id) => others.some(([, prefix]) => id.startsWith(prefix)));
  const list = textArray(ids);
  const known = await tx<{ id: string }[]>`
    select id from mirror_data.users
    where ${kind !== "user"}::boolean and id = any(${list}::text::text[]) and payload is not null
    union all select id from mirror_data.organizations
    where ${kind !== "organization"}::boolean and id = any(${list}::text::text[])
    union all select id from mirror_data.organization_memberships
    where ${kind !== "membership"}::boolean and id = any(${list}::text::text[])`;
  return new Set([...byPrefix, ...known.map(({ id }) => id)]);
}
