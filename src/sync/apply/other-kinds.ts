import { textArray } from "../../db/connection/bulk.js";
import type { Tx } from "../../db/connection/sql.js";

type Kind = "user" | "organization" | "membership";

/** The prefixes of Clerk's ids. */
const PREFIX: Record<Kind, string> = { user: "user_", organization: "org_", membership: "orgmem_" };

/**
 * Those of these ids that belong to another kind of object, by Clerk's prefixes or by what the mirror has stored. Asked for a
 * user by an organization's id, Clerk says that there is none. That is no deletion, but its tombstone would be announced as one.
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
