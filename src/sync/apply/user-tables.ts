import { jsonTexts, plainArray, textArray } from "../../db/connection/bulk.js";
import type { Tx } from "../../db/connection/sql.js";
import type { Pause } from "../../lib/turns.js";
import type { IdentifierRow, MetadataRow, SearchRow } from "./derive.js";
import type { StoredUser } from "./rows.js";

/** The tables derived from `users`. Their rows are guarded by the lock on the user's row, which the caller holds. */
export async function deleteDerived(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const list = textArray(ids);
  await Promise.all([
    tx`delete from mirror_data.user_search where id = any(${list}::text::text[])`,
    tx`delete from mirror_data.user_grams where id = any(${list}::text::text[])`,
    tx`delete from mirror_data.user_activity where id = any(${list}::text::text[])`,
    tx`delete from mirror_data.user_metadata where id = any(${list}::text::text[])`,
    tx`delete from mirror_data.user_identifiers where user_id = any(${list}::text::text[])`,
  ]);
}

/** `grams`: the pieces of the searched text, joined by `\n`, which is in none of them. */
export type SearchRowWithGrams = SearchRow & { grams: string };

/** Where the text that is searched changes, so may its pieces. */
export async function writeSearch(tx: Tx, rows: readonly SearchRowWithGrams[]): Promise<void> {
  if (rows.length === 0) return;
  const text = (pick: (row: SearchRowWithGrams) => string | null) => textArray(rows.map(pick));
  const flag = (pick: (row: SearchRow) => boolean) => plainArray(rows.map(pick));
  const ids = text((r) => r.id);
  await Promise.all([
    tx`
      insert into mirror_data.user_search as s (
        created_at, banned, password_enabled, two_factor_enabled, has_image, search, id,
        email_key, phone_key, username_key, wallet_key, first_name_key, last_name_key, name_search, external_id)
      select * from unnest(
        ${plainArray(rows.map((r) => r.created_at))}::text::bigint[],
        ${flag((r) => r.banned)}::text::boolean[], ${flag((r) => r.password_enabled)}::text::boolean[],
        ${flag((r) => r.two_factor_enabled)}::text::boolean[], ${flag((r) => r.has_image)}::text::boolean[],
        ${text((r) => r.search)}::text::text[], ${ids}::text::text[],
        ${text((r) => r.email_key)}::text::text[], ${text((r) => r.phone_key)}::text::text[],
        ${text((r) => r.username_key)}::text::text[], ${text((r) => r.wallet_key)}::text::text[],
        ${text((r) => r.first_name_key)}::text::text[], ${text((r) => r.last_name_key)}::text::text[],
        ${text((r) => r.name_search)}::text::text[], ${text((r) => r.external_id)}::text::text[])
      on conflict (id) do update set
        created_at = excluded.created_at, banned = excluded.banned, password_enabled = excluded.password_enabled,
        two_factor_enabled = excluded.two_factor_enabled, has_image = excluded.has_image, search = excluded.search,
        email_key = excluded.email_key, phone_key = excluded.phone_key, username_key = excluded.username_key,
        wallet_key = excluded.wallet_key, first_name_key = excluded.first_name_key,
        last_name_key = excluded.last_name_key, name_search = excluded.name_search,
        external_id = excluded.external_id
      -- name_search follows from the names.
      where (s.created_at, s.banned, s.password_enabled, s.two_factor_enabled, s.has_image, s.search, s.email_key,
          s.phone_key, s.username_key, s.wallet_key, s.first_name_key, s.last_name_key, s.external_id)
        is distinct from (excluded.created_at, excluded.banned, excluded.password_enabled,
          excluded.two_factor_enabled, excluded.has_image, excluded.search, excluded.email_key,
          excluded.phone_key, excluded.username_key, excluded.wallet_key, excluded.first_name_key,
          excluded.last_name_key, excluded.external_id)`,
    tx`
      insert into mirror_data.user_grams as g (id, rare_grams)
      select id, string_to_array(grams, E'\\n')
      from unnest(${ids}::text::text[], ${text((r) => r.grams)}::text::text[]) as r(id, grams)
      on conflict (id) do update set rare_grams = excluded.rare_grams
      where g.rare_grams is distinct from excluded.rare_grams`,
  ]);
}

/** The rows of live users hold the greatest times seen. */
export async function writeActivity(tx: Tx, rows: readonly StoredUser[]): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into mirror_data.user_activity as a (id, updated_at, last_active_at, last_sign_in_at)
    select * from unnest(
      ${textArray(rows.map((r) => r.id))}::text::text[],
      ${plainArray(rows.map((r) => r.updated_at))}::text::bigint[],
      ${plainArray(rows.map((r) => r.last_active_at))}::text::bigint[],
      ${plainArray(rows.map((r) => r.last_sign_in_at))}::text::bigint[])
    on conflict (id) do update set
      updated_at = excluded.updated_at, last_active_at = excluded.last_active_at,
      last_sign_in_at = excluded.last_sign_in_at
    where (a.updated_at, a.last_active_at, a.last_sign_in_at)
      is distinct from (excluded.updated_at, excluded.last_active_at, excluded.last_sign_in_at)`;
}

export async function writeMetadata(tx: Tx, rows: readonly MetadataRow[]): Promise<void> {
  if (rows.length === 0) return;
  const text = (pick: (row: MetadataRow) => string | null) => textArray(rows.map(pick));
  const json = (pick: (row: MetadataRow) => string | null) => jsonTexts(rows.map(pick));
  await tx`
    insert into mirror_data.user_metadata as m (
      id, public_metadata, unsafe_metadata, private_metadata,
      username, first_name, last_name, email_address, phone_number, web3_wallet, image_url)
    select id, public_metadata::jsonb, unsafe_metadata::jsonb, private_metadata::jsonb,
      username, first_name, last_name, email_address, phone_number, web3_wallet, image_url
    from unnest(
      ${text((r) => r.id)}::text::text[],
      string_to_array(${json((r) => r.public_metadata)}::text, E'\\x1f', ''),
      string_to_array(${json((r) => r.unsafe_metadata)}::text, E'\\x1f', ''),
      string_to_array(${json((r) => r.private_metadata)}::text, E'\\x1f', ''),
      ${text((r) => r.username)}::text::text[], ${text((r) => r.first_name)}::text::text[],
      ${text((r) => r.last_name)}::text::text[], ${text((r) => r.email_address)}::text::text[],
      ${text((r) => r.phone_number)}::text::text[], ${text((r) => r.web3_wallet)}::text::text[],
      ${text((r) => r.image_url)}::text::text[]
    ) as r(id, public_metadata, unsafe_metadata, private_metadata,
      username, first_name, last_name, email_address, phone_number, web3_wallet, image_url)
    on conflict (id) do update set
      public_metadata = excluded.public_metadata, unsafe_metadata = excluded.unsafe_metadata,
      private_metadata = excluded.private_metadata, username = excluded.username,
      first_name = excluded.first_name, last_name = excluded.last_name, email_address = excluded.email_address,
      phone_number = excluded.phone_number, web3_wallet = excluded.web3_wallet, image_url = excluded.image_url
    where (m.public_metadata, m.unsafe_metadata, m.private_metadata, m.username, m.first_name, m.last_name,
        m.email_address, m.phone_number, m.web3_wallet, m.image_url)
      is distinct from (excluded.public_metadata, excluded.unsafe_metadata, excluded.private_metadata,
        excluded.username, excluded.first_name, excluded.last_name, excluded.email_address,
        excluded.phone_number, excluded.web3_wallet, excluded.image_url)`;
}

/** Rows of identifiers as the arrays that a statement takes. */
export type IdentifierColumns = Record<keyof IdentifierRow, string>;

/** One column after another: a user can have ten thousand identifiers. */
export async function identifierColumns(
  rows: readonly IdentifierRow[],
  pause: Pause,
): Promise<IdentifierColumns> {
  const columns: Partial<IdentifierColumns> = {};
  for (const name of IDENTIFIER_TEXTS) {
    columns[name] = textArray(rows.map((row) => row[name]));
    await pause();
  }
  return {
    ...(columns as Pick<IdentifierColumns, (typeof IDENTIFIER_TEXTS)[number]>),
    is_primary: plainArray(rows.map((row) => row.is_primary)),
    created_at: plainArray(rows.map((row) => row.created_at)),
    updated_at: plainArray(rows.map((row) => row.updated_at)),
    detail: jsonTexts(rows.map((row) => row.detail)),
  };
}

const IDENTIFIER_TEXTS = ["user_id", "kind", "value", "folded", "clerk_id", "verification_status"] as const;

/** Leaves the rows that stay as they are untouched. `known`: the users among them who may have others than these. */
export async function writeIdentifiers(
  tx: Tx,
  columns: IdentifierColumns,
  known: readonly string[],
): Promise<void> {
  const { user_id: users, kind: kinds, value: values } = columns;
  const removed =
    known.length > 0 &&
    tx`
      delete from mirror_data.user_identifiers
      where user_id = any(${textArray(known)}::text::text[])
        and (user_id, kind, value) not in (
          select * from unnest(${users}::text::text[], ${kinds}::text::text[], ${values}::text::text[]))`;
  await Promise.all([
    removed,
    tx`
      insert into mirror_data.user_identifiers as i (
        user_id, kind, value, folded, clerk_id, is_primary, verification_status, created_at, updated_at, detail)
      select user_id, kind, value, folded, clerk_id, is_primary, verification_status, created_at, updated_at,
        detail::jsonb
      from unnest(
        ${users}::text::text[], ${kinds}::text::text[], ${values}::text::text[],
        ${columns.folded}::text::text[], ${columns.clerk_id}::text::text[],
        ${columns.is_primary}::text::boolean[],
        ${columns.verification_status}::text::text[],
        ${columns.created_at}::text::bigint[],
        ${columns.updated_at}::text::bigint[],
        string_to_array(${columns.detail}::text, E'\\x1f', '')
      ) as r(user_id, kind, value, folded, clerk_id, is_primary, verification_status, created_at, updated_at, detail)
      on conflict (user_id, kind, value) do update set
        folded = excluded.folded, clerk_id = excluded.clerk_id, is_primary = excluded.is_primary,
        verification_status = excluded.verification_status, created_at = excluded.created_at,
        updated_at = excluded.updated_at, detail = excluded.detail
      where (i.folded, i.clerk_id, i.is_primary, i.verification_status, i.created_at, i.updated_at, i.detail)
        is distinct from (excluded.folded, excluded.clerk_id, excluded.is_primary, excluded.verification_status,
          excluded.created_at, excluded.updated_at, excluded.detail)`,
  ]);
}
