import type { Asker } from "../lib/shares.js";
import { foldedText, searchText } from "../lib/text.js";
import { createPause } from "../lib/turns.js";
import { type CreatedPlace, placeText } from "./created-place.js";
import type { QueryEngine } from "./engine.js";
import { Parameters } from "./parameters.js";
import { numberOf, type RawRow } from "./present.js";
import { escapedForLike } from "./search-term.js";

/** An organization as a list shows it. */
export interface ListedOrganization {
  id: string;
  name: string | null;
  slug: string | null;
  created_at: number;
  members: number;
}

export interface Member {
  user_id: string;
  role: string | null;
  /** When the user joined. */
  created_at: number;
  username: string | null;
  first_name: string | null;
  last_name: string | null;
  /** The primary one. */
  email_address: string | null;
}

/** How the members of an organization became as many as they are. */
export interface Membership {
  members: number;
  roles: { role: string | null; count: number }[];
  /** By UTC day: how many of today's members joined on it. Days without any are left out. */
  joined: { day: string; count: number }[];
}

export interface OrganizationDetail extends Omit<ListedOrganization, "members">, Membership {
  public_metadata: unknown;
}

export interface PlacedPage {
  /** Text that is looked for; empty: all. */
  query: string;
  limit: number;
  /** Behind what this page begins; null: it is the first. */
  after: CreatedPlace | null;
}

export interface Placed<T> {
  data: T[];
  next_cursor: string | null;
}

/** Organizations and their members, as far as the mirror knows them; the newest first. Rejects as searches do. */
export interface OrganizationQueries {
  /** `query`: in the id, the name or the slug. */
  list(page: PlacedPage, asker: Asker): Promise<Placed<ListedOrganization>>;
  /** Null: unknown or gone. */
  get(id: string, asker: Asker): Promise<OrganizationDetail | null>;
  /** `query`: in the role, or in what Clerk's `query` looks at of the user. Of an unknown organization: nobody. */
  members(id: string, page: PlacedPage, asker: Asker): Promise<Placed<Member>>;
}

/** Those that `mirror.organization_memberships` shows too: of users who aren't gone. */
const LIVE_MEMBER = `m.payload is not null and not exists (
  select from mirror_data.users gone where gone.id = m.user_id and gone.deleted_at is not null)`;

/** Large, because days and roles are as many as users make of them. */
const MOST_GROUPS = 4000;
/** Organizations that are looked at for a text at a time, and how often for one page: behind that, the page is cut short. */
const [BATCH, MOST_BATCHES] = [5000, 40];

export function createOrganizationQueries({ searches }: Pick<QueryEngine, "searches">): OrganizationQueries {
  const run = (text: string, params: Parameters, asker: Asker) =>
    searches.thoroughly(text, params, "as asked", asker);

  return {
    async list({ query, limit, after }, asker) {
      const term = searchText(query);
      const pause = createPause();
      const found: ListedOrganization[] = [];
      const size = term === "" ? limit + 1 : BATCH;
      let [place, isEnd] = [after, false];
      for (let batches = 0; batches < MOST_BATCHES && !isEnd && found.length <= limit; batches++) {
        const rows = (await batch(place, size, asker)).map(organizationOf);
        for (const each of rows) if (isNamed(each, term)) found.push(each);
        const last = rows.at(-1);
        place = last ? placeOf(last) : place;
        isEnd = rows.length < size;
        await pause();
      }
      const last = found.length > limit ? found[limit - 1] : undefined;
      const next = last ? placeOf(last) : isEnd ? null : place;
      const data = await withMembers(found.slice(0, limit), asker);
      return { data, next_cursor: next && placeText(next) };
    },

    async get(id, asker) {
      const params = new Parameters();
      const key = params.add(id);
      const [row] = await run(
        `select o.id, o.name, o.slug, coalesce(o.created_at, 0), o.public_metadata::text
          from mirror_data.organizations o where o.id = ${key} and o.payload is not null`,
        params,
        asker,
      );
      if (!row) return null;
      const { members: _, ...organization } = organizationOf(row);
      const metadata = textOf(row[4]);
      return {
        ...organization,
        public_metadata: metadata === null ? null : JSON.parse(metadata),
        ...(await membershipOf(id, asker)),
      };
    },

    async members(id, { query, limit, after }, asker) {
      const params = new Parameters();
      const conditions = [
        `m.organization_id = ${params.add(id)}`,
        "m.payload is not null",
        ...behind("m", after, params),
      ];
      if (query !== "") {
        const pattern = params.add(patternOf(query));
        conditions.push(`(lower(m.role) like ${pattern} or exists (
          select from mirror_data.user_search s where s.id = m.user_id and s.search like ${pattern}))`);
      }
      const rows = await run(
        `select m.id, m.user_id, m.role, coalesce(m.created_at, 0), u.username, u.first_name, u.last_name, u.email_address
          from mirror_data.organization_memberships m
          join mirror_data.users u on u.id = m.user_id and u.payload is not null
          join mirror_data.organizations o on o.id = m.organization_id and o.payload is not null
          where ${conditions.join(" and ")}
          order by coalesce(m.created_at, 0) desc, m.id desc limit ${params.add(limit + 1)}::bigint`,
        params,
        asker,
      );
      const shown = rows.slice(0, limit);
      const last = rows.length > limit ? shown.at(-1) : undefined;
      const next_cursor = last
        ? placeText({ id: textOf(last[0]) ?? "", createdAtMs: numberOf(last[3]) ?? 0 })
        : null;
      return { data: shown.map(memberOf), next_cursor };
    },
  };

  function batch(after: CreatedPlace | null, size: number, asker: Asker): Promise<RawRow[]> {
    const params = new Parameters();
    const conditions = ["o.payload is not null", ...behind("o", after, params)];
    return run(
      `select o.id, o.name, o.slug, coalesce(o.created_at, 0)
        from mirror_data.organizations o where ${conditions.join(" and ")}
        order by coalesce(o.created_at, 0) desc, o.id desc limit ${params.add(size)}::bigint`,
      params,
      asker,
    );
  }

  async function withMembers(listed: readonly ListedOrganization[], asker: Asker) {
    if (listed.length === 0) return [];
    const params = new Parameters();
    const rows = await run(
      `select asked.id, (select count(*) from mirror_data.organization_memberships m
          where m.organization_id = asked.id and ${LIVE_MEMBER})
        from unnest(${params.texts(listed.map(({ id }) => id))}) as asked(id)`,
      params,
      asker,
    );
    const members = new Map(rows.map(([id, n]) => [textOf(id), numberOf(n) ?? 0]));
    return listed.map((each) => ({ ...each, members: members.get(each.id) ?? 0 }));
  }

  async function membershipOf(id: string, asker: Asker): Promise<Membership> {
    const params = new Parameters();
    const rows = await run(
      `with members as materialized (
          select m.role, to_char(to_timestamp(m.created_at / 1000.0) at time zone 'UTC', 'YYYY-MM-DD') as day
          from mirror_data.organization_memberships m
          where m.organization_id = ${params.add(id)} and ${LIVE_MEMBER})
        select 'role', role, count(*) from members group by role
        union all
        (select 'day', day, count(*) from members where day is not null group by day
          order by day desc limit ${MOST_GROUPS})`,
      params,
      asker,
    );
    const groups = rows.map(([kind, key, count]) => ({
      kind: textOf(kind),
      key: textOf(key),
      count: numberOf(count) ?? 0,
    }));
    const roles = groups.filter(({ kind }) => kind === "role");
    return {
      members: roles.reduce((sum, { count }) => sum + count, 0),
      roles: roles.map(({ key, count }) => ({ role: key, count })).sort((a, b) => b.count - a.count),
      joined: groups
        .flatMap(({ kind, key, count }) => (kind === "day" && key !== null ? [{ day: key, count }] : []))
        .sort((a, b) => (a.day < b.day ? -1 : 1)),
    };
  }
}

const patternOf = (query: string) => `%${escapedForLike(foldedText(query))}%`;

/** Folded here, as all text that is searched, so that the database's locale doesn't matter. */
const isNamed = ({ id, name, slug }: ListedOrganization, term: string) =>
  [id, name, slug].some((text) => text !== null && searchText(text).includes(term));

const placeOf = ({ id, created_at }: ListedOrganization): CreatedPlace => ({ id, createdAtMs: created_at });

function behind(table: string, after: CreatedPlace | null, params: Parameters): string[] {
  if (!after) return [];
  return [
    `(coalesce(${table}.created_at, 0), ${table}.id) < (${params.add(after.createdAtMs)}::bigint, ${params.add(after.id)})`,
  ];
}

const textOf = (column: Buffer | null | undefined): string | null => column?.toString("utf8") ?? null;

const organizationOf = ([id, name, slug, createdAt]: RawRow): ListedOrganization => ({
  id: textOf(id) ?? "",
  name: textOf(name),
  slug: textOf(slug),
  created_at: numberOf(createdAt) ?? 0,
  members: 0,
});

const memberOf = (row: RawRow): Member => ({
  user_id: textOf(row[1]) ?? "",
  role: textOf(row[2]),
  created_at: numberOf(row[3]) ?? 0,
  username: textOf(row[4]),
  first_name: textOf(row[5]),
  last_name: textOf(row[6]),
  email_address: textOf(row[7]),
});
