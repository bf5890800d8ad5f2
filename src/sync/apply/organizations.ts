import { jsonTexts, plainArray, textArray } from "../../db/connection/bulk.js";
import type { Tx } from "../../db/connection/sql.js";
import { MEMBERSHIP, ORGANIZATION } from "../fold/fold.js";
import type { MembershipSnapshot, OrganizationSnapshot } from "../fold/snapshot.js";
import { CONTRADICTED, type Refetch } from "../ledger/refetch-queue.js";
import type { ApplyOptions, Effects, Incoming } from "./batch.js";
import { type FoldTable, foldLocked, type Writing } from "./merge-locked.js";
import {
  membershipRow,
  organizationRow,
  type StoredMembership,
  type StoredOrganization,
  type StoredRow,
  stateOf,
} from "./rows.js";

/** Like `applyUsers`, for organizations. */
export async function applyOrganizations(
  tx: Tx,
  incoming: readonly Incoming<OrganizationSnapshot>[],
  options: ApplyOptions,
): Promise<Effects> {
  const result = await foldLocked(tx, organizationsTable, incoming, options.lagMs);
  const asked = await askAboutTombstones(tx, result.contradicted);
  return { ...result, refetches: [...result.refetches, ...asked] };
}

/** Like a user's: at most once an hour. A tombstone observed nothing, and its `observed_at` is free to say when it was asked about. */
async function askAboutTombstones(tx: Tx, rows: readonly StoredOrganization[]): Promise<Refetch[]> {
  if (rows.length === 0) return [];
  const asked = await tx<{ id: string }[]>`
    update mirror_data.organizations o set observed_at = now_ms
    from (select (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms) as clock
    where o.id = any(${textArray(rows.map((row) => row.id))}::text::text[]) and o.deleted_at is not null
      and (o.observed_at <= now_ms - 3600000 or o.observed_at > now_ms)
    returning o.id`;
  return asked.map(({ id }) => ({ kind: "organization", id, reason: CONTRADICTED }));
}

/** Like `applyUsers`, for memberships; a membership's tombstone is final. */
export function applyMemberships(
  tx: Tx,
  incoming: readonly Incoming<MembershipSnapshot>[],
  options: ApplyOptions,
): Promise<Effects> {
  return foldLocked(tx, membershipsTable, incoming, options.lagMs);
}

const NOTHING_TO_WRITE: Writing = { written: Promise.resolve() };

const organizationsTable: FoldTable<StoredOrganization> = {
  kind: ORGANIZATION,
  name: "organization",
  refetch: "organization",
  rowOf: organizationRow,
  async existing(tx, ids) {
    const rows = await tx<{ id: string }[]>`
      select id from mirror_data.organizations where id = any(${textArray(ids)}::text::text[])`;
    return rows.map((row) => row.id);
  },
  async insert(tx, rows) {
    const inserted = await tx<{ id: string }[]>`
      insert into mirror_data.organizations (
        id, updated_at, observed_at, source, deleted_at, payload_hash, payload, payload_safe,
        private_metadata, private_order, name, slug, created_at, public_metadata)
      select id, updated_at, observed_at, source, deleted_at, payload_hash, payload, payload_safe,
        private_metadata, private_order, name, slug, created_at, public_metadata::jsonb
      from ${organizationColumns(tx, rows)}
      order by position
      on conflict (id) do nothing
      returning id`;
    return inserted.map((row) => row.id);
  },
  async lock(tx, ids) {
    const rows = await tx<StoredOrganization[]>`
      select id, updated_at, observed_at, source, ${deletedAt(tx)}, payload_hash, payload, payload_safe,
        private_metadata, private_order, name, slug, created_at, public_metadata::text
      from mirror_data.organizations where id = any(${textArray(ids)}::text::text[])
      order by id for update`;
    return rows.map((row) => ({ row, state: stateOf(row) }));
  },
  async write(tx, rows) {
    if (rows.length === 0) return NOTHING_TO_WRITE;
    const written = tx`
      update mirror_data.organizations o set
        updated_at = r.updated_at, observed_at = r.observed_at, source = r.source, deleted_at = r.deleted_at,
        payload_hash = r.payload_hash, payload = r.payload, payload_safe = r.payload_safe,
        private_metadata = r.private_metadata, private_order = r.private_order,
        name = r.name, slug = r.slug, created_at = r.created_at, public_metadata = r.public_metadata::jsonb
      from ${organizationColumns(tx, rows)}
      where o.id = r.id`.execute();
    return { written };
  },
};

function organizationColumns(tx: Tx, rows: readonly StoredOrganization[]) {
  const text = (pick: (row: StoredOrganization) => string | null) => textArray(rows.map(pick));
  return tx`unnest(
    ${text((r) => r.id)}::text::text[], ${orderColumns(tx, rows)},
    ${text((r) => r.name)}::text::text[], ${text((r) => r.slug)}::text::text[],
    ${plainArray(rows.map((r) => r.created_at))}::text::bigint[], ${text((r) => r.public_metadata)}::text::text[]
  ) with ordinality as r(
    id, updated_at, observed_at, source, deleted_at, payload_hash, payload, payload_safe,
    private_metadata, private_order, name, slug, created_at, public_metadata, position)`;
}

const membershipsTable: FoldTable<StoredMembership> = {
  kind: MEMBERSHIP,
  name: "membership",
  refetch: null,
  rowOf: membershipRow,
  async existing(tx, ids) {
    const rows = await tx<{ id: string }[]>`
      select id from mirror_data.organization_memberships where id = any(${textArray(ids)}::text::text[])`;
    return rows.map((row) => row.id);
  },
  async insert(tx, rows) {
    const inserted = await tx<{ id: string }[]>`
      insert into mirror_data.organization_memberships (
        id, updated_at, observed_at, source, deleted_at, payload_hash, payload, payload_safe,
        private_metadata, private_order, public_user_data,
        organization_id, user_id, role, created_at, public_metadata)
      select id, updated_at, observed_at, source, deleted_at, payload_hash, payload, payload_safe,
        private_metadata, private_order, public_user_data,
        organization_id, user_id, role, created_at, public_metadata::jsonb
      from ${membershipColumns(tx, rows)}
      order by position
      on conflict (id) do nothing
      returning id`;
    return inserted.map((row) => row.id);
  },
  async lock(tx, ids) {
    const rows = await tx<StoredMembership[]>`
      select id, updated_at, observed_at, source, deleted_at, payload_hash, payload, payload_safe,
        private_metadata, private_order, public_user_data,
        organization_id, user_id, role, created_at, public_metadata::text
      from mirror_data.organization_memberships where id = any(${textArray(ids)}::text::text[])
      order by id for update`;
    return rows.map((row) => ({ row, state: stateOf(row) }));
  },
  async write(tx, rows) {
    if (rows.length === 0) return NOTHING_TO_WRITE;
    const written = tx`
      update mirror_data.organization_memberships m set
        updated_at = r.updated_at, observed_at = r.observed_at, source = r.source, deleted_at = r.deleted_at,
        payload_hash = r.payload_hash, payload = r.payload, payload_safe = r.payload_safe,
        private_metadata = r.private_metadata, private_order = r.private_order,
        public_user_data = r.public_user_data, organization_id = r.organization_id, user_id = r.user_id, role = r.role,
        created_at = r.created_at, public_metadata = r.public_metadata::jsonb
      from ${membershipColumns(tx, rows)}
      where m.id = r.id`.execute();
    return { written };
  },
};

function membershipColumns(tx: Tx, rows: readonly StoredMembership[]) {
  const text = (pick: (row: StoredMembership) => string | null) => textArray(rows.map(pick));
  return tx`unnest(
    ${text((r) => r.id)}::text::text[], ${orderColumns(tx, rows)},
    string_to_array(${jsonTexts(rows.map((r) => r.public_user_data))}::text, E'\\x1f', ''),
    ${text((r) => r.organization_id)}::text::text[], ${text((r) => r.user_id)}::text::text[],
    ${text((r) => r.role)}::text::text[],
    ${plainArray(rows.map((r) => r.created_at))}::text::bigint[], ${text((r) => r.public_metadata)}::text::text[]
  ) with ordinality as r(
    id, updated_at, observed_at, source, deleted_at, payload_hash, payload, payload_safe,
    private_metadata, private_order, public_user_data,
    organization_id, user_id, role, created_at, public_metadata, position)`;
}

/**
 * `deleted_at` of a row that is to be folded: a tombstone from the future was written before the clock was set back, nobody
 * knows when, and whatever is seen live may be newer. Clerk is asked then, as about any other.
 */
export const deletedAt = (tx: Tx) => tx`
  case when deleted_at > extract(epoch from clock_timestamp()) * 1000 + 60000 then 0 else deleted_at end as deleted_at`;

/** The arrays behind `updated_at` … `private_order`, which all three tables begin with. */
export function orderColumns(tx: Tx, rows: readonly StoredRow[]) {
  return tx`
    ${plainArray(rows.map((r) => r.updated_at))}::text::bigint[],
    ${plainArray(rows.map((r) => r.observed_at))}::text::bigint[],
    ${plainArray(rows.map((r) => r.source))}::text::smallint[],
    ${plainArray(rows.map((r) => r.deleted_at))}::text::bigint[],
    ${textArray(rows.map((r) => r.payload_hash))}::text::text[],
    string_to_array(${jsonTexts(rows.map((r) => r.payload))}::text, E'\\x1f', ''),
    string_to_array(${jsonTexts(rows.map((r) => r.payload_safe))}::text, E'\\x1f', ''),
    string_to_array(${jsonTexts(rows.map((r) => r.private_metadata))}::text, E'\\x1f', ''),
    ${textArray(rows.map((r) => r.private_order))}::text::text[]`;
}
