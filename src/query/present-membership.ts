import type { Json } from "../clerk.js";
import { numberOf, type RawRow, type View } from "./present.js";
import { memberSeenBy, overlaidMember, wholeMember } from "./public-user-data.js";

/** `users.source` of what a webhook brought (`sync/fold/snapshot.ts`). */
const WEBHOOK = 1;
/** Some webhooks are dated to the second only. */
const ENVELOPE_MS = 1000;

/** How far Clerk's lists, and the times of its webhooks, may lag behind its writes. */
export const lagOf = (lagMs: number) => Math.max(lagMs, ENVELOPE_MS);

/**
 * The columns of an organization `o`, for `presentOrganization`. Its members are counted only where it shows their number:
 * those of the largest take a tenth of a second.
 */
export const ORGANIZATION_COLUMNS = `o.payload, o.private_metadata,
  case when strpos(o.payload, '"members_count"') > 0 then (
    select count(*) from mirror_data.organization_memberships c
    where c.organization_id = o.id and c.payload is not null and not exists (
      select from mirror_data.users gone where gone.id = c.user_id and gone.deleted_at is not null))
  end`;

/** The columns of a membership `m`, of its user `u` and its organization `o`, for `presentMembership`. `lag`: a placeholder. */
export const membershipColumns = (lag: string) => `m.payload, m.private_metadata, m.public_user_data,
  -- A list may show the user as before a change that is known here; a webhook is of its moment.
  u.observed_at >= m.observed_at - case m.source when ${WEBHOOK} then 0 else ${lag}::bigint end,
  ${ORGANIZATION_COLUMNS}`;

/**
 * A membership as Clerk shows it, from its columns, which begin at index `at` of the row, and the user's own object. Null:
 * there is none in this row.
 */
export function presentMembership(row: RawRow, at: number, user: Json, view: View): Json | null {
  const [payload, privateMetadata, shown, userIsNewer] = row.slice(at, at + 4);
  const organization = presentOrganization(row, at + 4, view);
  if (!payload || !organization) return null;
  const membership = withPrivate(payload, privateMetadata, view);
  const { created_at, updated_at, ...rest } = membership;
  const public_user_data = publicUserData(shown, String(userIsNewer) === "t", user);
  return { ...rest, organization, public_user_data, created_at, updated_at };
}

/** An organization likewise. */
export function presentOrganization(row: RawRow, at: number, view: View): Json | null {
  const [payload, privateMetadata, members] = row.slice(at, at + 3);
  if (!payload) return null;
  const organization = withPrivate(payload, privateMetadata, view);
  // Changes with every membership, without a change of the organization's `updated_at`.
  if ("members_count" in organization) organization.members_count = numberOf(members) ?? 0;
  return organization;
}

/** Private metadata stand behind the public ones, as in Clerk's answers. */
function withPrivate(payload: Buffer, privateMetadata: Buffer | null | undefined, view: View): Json {
  const object: Json = JSON.parse(String(payload));
  const shown = view.privateMetadata && privateMetadata ? JSON.parse(String(privateMetadata)) : null;
  const entries = Object.entries(object).flatMap(([key, value]): [string, unknown][] =>
    key === "public_metadata"
      ? [
          [key, value],
          ["private_metadata", shown],
        ]
      : [[key, value]],
  );
  return Object.fromEntries(entries);
}

/** `shown` null: the row was written before it was kept what Clerk shows. */
function publicUserData(shown: Buffer | null | undefined, userIsNewer: boolean, user: Json): Json {
  if (!shown) return memberSeenBy(user);
  const asClerkShowed = wholeMember(JSON.parse(String(shown)), user);
  return userIsNewer ? overlaidMember(asClerkShowed, user) : asClerkShowed;
}
