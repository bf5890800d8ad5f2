import type { Json } from "../clerk.js";
import type { Availability } from "../db/connection/availability.js";
import type { Readers } from "../db/connection/client.js";
import { type Asker, OURSELVES } from "../lib/shares.js";
import { createPause } from "../lib/turns.js";
import type { Page } from "./clerk-params.js";
import { createLookups } from "./lookups.js";
import { Parameters } from "./parameters.js";
import { numberOf, type View } from "./present.js";
import { lagOf, membershipColumns, presentMembership } from "./present-membership.js";

/** A user's memberships as Clerk lists them. */
export interface MembershipQueries {
  /** The JSON text of `{data, total_count}`, newest first; null: the user is unknown or gone. */
  list(userId: string, page: Page, view: View, asker?: Asker): Promise<string | null>;
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
      const rows = await lookUp(statementFor(userId, page, { lagMs: lagOf(lagMs) }, values), values, {
        ...{ asker, rows: page.limit, isCommon: true },
      });
      const [first] = rows;
      if (!first) return null;
      const [user, total] = first;
      const member: Json = JSON.parse(String(user));
      const pause = createPause();
      const data: string[] = [];
      for (const row of rows) {
        const shown = presentMembership(row, 2, member, view);
        if (shown) data.push(JSON.stringify(shown));
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
      select ${membershipColumns(params.add(lagMs))}
      ${shown} order by m.created_at desc, m.id desc
      limit ${params.add(limit)}::bigint offset ${params.add(offset)}::bigint
    ) as page(membership, membership_private, public_user_data, user_is_newer, organization, organization_private, members) on true`;
}
