import type { Json } from "../clerk.js";
import type { Database } from "../db/client.js";
import type { Page } from "./filter.js";
import type { View } from "./present.js";

/** A user's memberships as Clerk lists them. */
export interface MembershipQueries {
  /** The JSON text of `{data, total_count}`, newest first; null: the user is unknown or gone. */
  list(userId: string, page: Page, view: View): Promise<string | null>;
}

interface MembershipRow {
  membership: string;
  membership_private: string | null;
  organization: string;
  organization_private: string | null;
  members: number;
}

/**
 * The organization and the user's public data are copies in Clerk's answers too, but of this moment: they are joined
 * when read. A membership whose organization the mirror doesn't know yet can't be shown.
 */
export function createMembershipQueries(database: Pick<Database, "reads">): MembershipQueries {
  const { reads } = database;
  return {
    async list(userId, { limit, offset }, view) {
      const [user, [total], rows] = await Promise.all([
        reads<{ payload: string | null }[]>`select payload from mirror_data.users where id = ${userId}`,
        reads<{ n: number }[]>`
          select count(*)::bigint as n
          from mirror.organization_memberships v join mirror_data.organizations o on o.id = v.organization_id
          where v.user_id = ${userId} and o.payload is not null`,
        reads<MembershipRow[]>`
          select m.payload as membership, m.private_metadata as membership_private,
            o.payload as organization, o.private_metadata as organization_private,
            (select count(*) from mirror.organization_memberships c where c.organization_id = o.id) as members
          from mirror.organization_memberships v
          join mirror_data.organization_memberships m on m.id = v.id
          join mirror_data.organizations o on o.id = v.organization_id
          where v.user_id = ${userId} and o.payload is not null
          order by m.created_at desc, m.id desc limit ${limit} offset ${offset}`,
      ]);
      const payload = user[0]?.payload;
      if (payload === undefined || payload === null) return null;
      const publicUserData = presentPublicUserData(JSON.parse(payload));
      const data = rows.map((row) => presentMembership(row, publicUserData, view));
      return JSON.stringify({ data, total_count: total?.n ?? 0 });
    },
  };
}

function presentMembership(row: MembershipRow, publicUserData: Json, view: View): Json {
  const membership: Json = JSON.parse(row.membership);
  const organization = withPrivate(JSON.parse(row.organization), row.organization_private, view);
  // Moves with every membership and not with the organization's `updated_at`.
  if ("members_count" in organization) organization.members_count = row.members;
  const { created_at, updated_at, ...rest } = withPrivate(membership, row.membership_private, view);
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
