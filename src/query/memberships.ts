import type { Json } from "../clerk.js";
import type { Availability } from "../db/availability.js";
import type { Database } from "../db/client.js";
import { type Asker, OURSELVES } from "../lib/shares.js";
import { createPause } from "../lib/turns.js";
import { Parameters } from "./compile.js";
import type { Page } from "./filter.js";
import { createLookups } from "./lookups.js";
import { numberOf, type RawRow, type View } from "./present.js";

/** A user's memberships as Clerk lists them. */
export interface MembershipQueries {
  /** The JSON text of `{data, total_count}`, newest first; null: the user is unknown or gone. */
  list(userId: string, page: Page, view: View, asker?: Asker): Promise<string | null>;
}

interface MembershipRow {
  membership: string;
  membershipPrivate: string | null;
  organization: string;
  organizationPrivate: string | null;
  members: number;
}

export interface MembershipQueryParts {
  availability: Pick<Availability, "guard">;
}

/**
 * The organization and the user's public data are copies in Clerk's answers too, but of this moment: they are joined
 * when read. A membership whose organization the mirror doesn't know yet can't be shown.
 */
export function createMembershipQueries(
  { reads }: Pick<Database, "reads">,
  { availability }: MembershipQueryParts,
): MembershipQueries {
  const lookUp = createLookups(reads, availability.guard);
  return {
    async list(userId, page, view, asker = OURSELVES) {
      const values = new Parameters();
      const rows = await lookUp(statementFor(userId, page, values), values, {
        ...{ asker, rows: page.limit, isCommon: true },
      });
      const [first] = rows;
      if (!first) return null;
      const [user, total] = first;
      const publicUserData = presentPublicUserData(JSON.parse(String(user)));
      const pause = createPause();
      const data: string[] = [];
      for (const row of rows.map(rowOf)) {
        if (row) data.push(JSON.stringify(presentMembership(row, publicUserData, view)));
        await pause();
      }
      return `{"data":[${data.join(",")}],"total_count":${numberOf(total) ?? 0}}`;
    },
  };
}

/**
 * A row for each membership of the page, or one without any; the live user and the number of all are in the first. What
 * can be read is what the view `mirror.organization_memberships` says, which has no texts to answer with, spelled for a
 * user who lives and organizations that are known.
 */
export function statementFor(userId: string, { limit, offset }: Page, params: Parameters): string {
  const shown = `from mirror_data.organization_memberships m join mirror_data.organizations o on o.id = m.organization_id
    where m.user_id = u.id and m.payload is not null and o.payload is not null`;
  return `select case when row_number() over () = 1 then u.payload end, u.total, page.*
    from (
      select u.id, u.payload, (select count(*) ${shown}) as total
      from mirror_data.users u where u.id = ${params.add(userId)} and u.payload is not null
      -- Counted once, and not for each row.
      offset 0
    ) as u left join lateral (
      select m.payload, m.private_metadata, o.payload, o.private_metadata, (
        select count(*) from mirror_data.organization_memberships c
        where c.organization_id = o.id and c.payload is not null and not exists (
          select from mirror_data.users gone where gone.id = c.user_id and gone.deleted_at is not null))
      ${shown} order by m.created_at desc, m.id desc
      limit ${params.add(limit)}::bigint offset ${params.add(offset)}::bigint
    ) as page(membership, membership_private, organization, organization_private, members) on true`;
}

function rowOf([, , membership, membershipPrivate, organization, organizationPrivate, members]: RawRow) {
  if (!membership || !organization) return null;
  const row: MembershipRow = {
    membership: String(membership),
    membershipPrivate: membershipPrivate ? String(membershipPrivate) : null,
    organization: String(organization),
    organizationPrivate: organizationPrivate ? String(organizationPrivate) : null,
    members: numberOf(members) ?? 0,
  };
  return row;
}

function presentMembership(row: MembershipRow, publicUserData: Json, view: View): Json {
  const membership: Json = JSON.parse(row.membership);
  const organization = withPrivate(JSON.parse(row.organization), row.organizationPrivate, view);
  // Moves with every membership and not with the organization's `updated_at`.
  if ("members_count" in organization) organization.members_count = row.members;
  const { created_at, updated_at, ...rest } = withPrivate(membership, row.membershipPrivate, view);
  return { ...rest, organization, public_user_data: publicUserData, created_at, updated_at };
}

/** Behind the public metadata, where Clerk has it. */
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

/** What Clerk shows of a user to the other members. */
function presentPublicUserData(user: Json): Json {
  return {
    user_id: user.id,
    first_name: user.first_name ?? null,
    last_name: user.last_name ?? null,
    // Deprecated, and still required by Clerk's schema.
    profile_image_url: user.profile_image_url ?? user.image_url ?? null,
    image_url: user.image_url ?? "",
    has_image: user.has_image ?? false,
    identifier: identifierOf(user),
    username: user.username ?? null,
    banned: user.banned ?? false,
  };
}

/** The primary e-mail address, else what the user has instead. */
function identifierOf(user: Json): string | null {
  const primary = (list: unknown, id: unknown, field: string): string | null => {
    const objects: Json[] = Array.isArray(list) ? list : [];
    const value = (objects.find((object) => object?.id === id) ?? objects[0])?.[field];
    return typeof value === "string" ? value : null;
  };
  return (
    primary(user.email_addresses, user.primary_email_address_id, "email_address") ??
    primary(user.phone_numbers, user.primary_phone_number_id, "phone_number") ??
    (typeof user.username === "string" ? user.username : null) ??
    primary(user.web3_wallets, user.primary_web3_wallet_id, "web3_wallet")
  );
}
