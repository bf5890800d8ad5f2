import type { Json } from "../clerk.js";
import type { Availability } from "../db/connection/availability.js";
import type { Readers } from "../db/connection/client.js";
import { type Asker, OURSELVES } from "../lib/shares.js";
import { createPause } from "../lib/turns.js";
import type { Page } from "./clerk-params.js";
import { createLookups } from "./lookups.js";
import { Parameters } from "./parameters.js";
import { numberOf, type RawRow, type View } from "./present.js";
import { memberSeenBy, overlaidMember, wholeMember } from "./public-user-data.js";

/** Some webhooks are dated to the second only. */
const ENVELOPE_MS = 1000;
/** `users.source` of what a webhook brought (`sync/fold/snapshot.ts`). */
const WEBHOOK = 1;

/** A user's memberships as Clerk lists them. */
export interface MembershipQueries {
  /** The JSON text of `{data, total_count}`, newest first; null: the user is unknown or gone. */
  list(userId: string, page: Page, view: View, asker?: Asker): Promise<string | null>;
}

interface MembershipRow {
  membership: string;
  /** What Clerk showed of the user, as JSON; null: written before that was kept. */
  publicUserData: string | null;
  /** Whether the mirror saw the user after that. */
  userIsNewer: boolean;
  membershipPrivate: string | null;
  organization: string;
  organizationPrivate: string | null;
  members: number;
}

export interface MembershipQueryDeps {
  availability: Pick<Availability, "guard">;
  /** How long Clerk's lists may lag behind its writes. */
  lagMs: number;
}

/**
 * Clerk shows the organization as it is now, so it is joined when memberships are read. The user's public data are what
 * Clerk showed, updated by what the user's row proves newer. A membership whose organization the mirror doesn't know yet
 * can't be shown.
 */
export function createMembershipQueries(
  { points }: Pick<Readers, "points">,
  { availability, lagMs }: MembershipQueryDeps,
): MembershipQueries {
  const lookUp = createLookups(points, availability.guard);
  return {
    async list(userId, page, view, asker = OURSELVES) {
      const values = new Parameters();
      const rows = await lookUp(
        statementFor(userId, page, { lagMs: Math.max(lagMs, ENVELOPE_MS) }, values),
        values,
        {
          ...{ asker, rows: page.limit, isCommon: true },
        },
      );
      const [first] = rows;
      if (!first) return null;
      const [user, total] = first;
      const member: Json = JSON.parse(String(user));
      const pause = createPause();
      const data: string[] = [];
      for (const row of rows.map(rowOf)) {
        if (row) data.push(JSON.stringify(presentMembership(row, member, view)));
        await pause();
      }
      return `{"data":[${data.join(",")}],"total_count":${numberOf(total) ?? 0}}`;
    },
  };
}

/**
 * One row for each membership of the page, or a single row without any. The first row has the live user and the number of
 * all memberships. It shows the same memberships as the view `mirror.organization_memberships`, which has no payloads to
 * answer with: those of live users in known organizations.
 */
export function statementFor(
  userId: string,
  { limit, offset }: Page,
  { lagMs }: { lagMs: number },
  params: Parameters,
): string {
  const shown = `from mirror_data.organization_memberships m join mirror_data.organizations o on o.id = m.organization_id
    where m.user_id = u.id and m.payload is not null and o.payload is not null`;
  return `select case when row_number() over () = 1 then u.payload end, u.total, page.*
    from (
      select u.id, u.payload, u.observed_at, (select count(*) ${shown}) as total
      from mirror_data.users u where u.id = ${params.add(userId)} and u.payload is not null
      -- Counted once, and not for each row.
      offset 0
    ) as u left join lateral (
      select m.payload, m.private_metadata, m.public_user_data,
        -- A list may show the user as before a change that is known here; a webhook is of its moment.
        u.observed_at >= m.observed_at - case m.source when ${WEBHOOK} then 0 else ${params.add(lagMs)}::bigint end,
        o.payload, o.private_metadata, (
        select count(*) from mirror_data.organization_memberships c
        where c.organization_id = o.id and c.payload is not null and not exists (
          select from mirror_data.users gone where gone.id = c.user_id and gone.deleted_at is not null))
      ${shown} order by m.created_at desc, m.id desc
      limit ${params.add(limit)}::bigint offset ${params.add(offset)}::bigint
    ) as page(membership, membership_private, public_user_data, user_is_newer, organization, organization_private, members) on true`;
}

function rowOf([, , membership, membershipPrivate, shown, newer, organization, ...rest]: RawRow) {
  if (!membership || !organization) return null;
  const [organizationPrivate, members] = rest;
  const row: MembershipRow = {
    membership: String(membership),
    publicUserData: shown ? String(shown) : null,
    userIsNewer: String(newer) === "t",
    membershipPrivate: membershipPrivate ? String(membershipPrivate) : null,
    organization: String(organization),
    organizationPrivate: organizationPrivate ? String(organizationPrivate) : null,
    members: numberOf(members) ?? 0,
  };
  return row;
}

function presentMembership(row: MembershipRow, user: Json, view: View): Json {
  const membership: Json = JSON.parse(row.membership);
  const organization = withPrivate(JSON.parse(row.organization), row.organizationPrivate, view);
  // Changes with every membership, without a change of the organization's `updated_at`.
  if ("members_count" in organization) organization.members_count = row.members;
  const { created_at, updated_at, ...rest } = withPrivate(membership, row.membershipPrivate, view);
  const public_user_data = publicUserData(row, user);
  return { ...rest, organization, public_user_data, created_at, updated_at };
}

/** Private metadata stand behind the public ones, as in Clerk's answers. */
function withPrivate(object: Json, privateMetadata: string | null, view: View): Json {
  const shown = view.privateMetadata && privateMetadata !== null ? JSON.parse(privateMetadata) : null;
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

function publicUserData({ publicUserData: shown, userIsNewer }: MembershipRow, user: Json): Json {
  if (shown === null) return memberSeenBy(user);
  const asClerkShowed = wholeMember(JSON.parse(shown), user);
  return userIsNewer ? overlaidMember(asClerkShowed, user) : asClerkShowed;
}
