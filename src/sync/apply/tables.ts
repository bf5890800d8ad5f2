import {
  bigint,
  boolean,
  type Column,
  integer,
  jsonb,
  jsonText,
  lines,
  nullable,
  type RowOf,
  smallint,
  text,
  texts,
  unread,
} from "./columns.js";
import { createDerivedTable } from "./derived-table.js";
import { createFoldedTable } from "./folded-table.js";

// The columns of each table that a batch writes, in the order in which they are sent. The schema itself, and what each
// column means, is in `db/tables/{users,organizations}.ts`; a test holds the two together.

/**
 * When a row's object was deleted. A tombstone from the future was written before the clock was set back: nobody knows when,
 * and whatever is seen live may be newer. It is read as one of long ago, and Clerk is asked about it as about any other.
 */
const deletedAt: Column<number | null> = {
  ...nullable(bigint),
  loaded: (name) =>
    `case when ${name} > extract(epoch from clock_timestamp()) * 1000 + 60000 then 0 else ${name} end as ${name}`,
};

/** What `users`, `organizations` and `organization_memberships` all have. */
const FOLDED = {
  id: text,
  updated_at: bigint,
  observed_at: bigint,
  source: smallint,
  deleted_at: deletedAt,
  payload_hash: nullable(text),
  payload: nullable(jsonText),
  payload_safe: nullable(jsonText),
  private_metadata: nullable(jsonText),
  private_order: nullable(text),
};

export type StoredRow = RowOf<typeof FOLDED>;

export const users = createFoldedTable("users", "u", {
  ...FOLDED,
  // Most events change nothing in them. `readPayloads` reads those that are needed.
  payload: unread(nullable(jsonText)),
  payload_safe: unread(nullable(jsonText)),
  erased: boolean,
  contradicted_at: { ...nullable(bigint), isSent: false },
  private_place: nullable(integer),
  time_places: nullable(text),
  key_order: nullable(integer),
  scim_order: nullable(text),
  locked_until: nullable(bigint),
  last_active_at: nullable(bigint),
  last_sign_in_at: nullable(bigint),
  // What the names were is told by the payload.
  username: unread(nullable(text)),
  first_name: unread(nullable(text)),
  last_name: unread(nullable(text)),
  email_address: unread(nullable(text)),
  phone_number: unread(nullable(text)),
  web3_wallet: unread(nullable(text)),
  image_url: unread(nullable(text)),
  number: nullable(integer),
  created_day: nullable(integer),
  deleted_day: nullable(integer),
});

export type StoredUser = RowOf<typeof users.columns>;

export const organizations = createFoldedTable("organizations", "o", {
  ...FOLDED,
  name: nullable(text),
  slug: nullable(text),
  created_at: nullable(bigint),
  public_metadata: nullable(jsonb(text)),
});

export type StoredOrganization = RowOf<typeof organizations.columns>;

export const memberships = createFoldedTable("organization_memberships", "m", {
  ...FOLDED,
  // Final, whenever it was: nothing contradicts it.
  deleted_at: nullable(bigint),
  public_user_data: nullable(jsonText),
  organization_id: nullable(text),
  user_id: nullable(text),
  role: nullable(text),
  created_at: nullable(bigint),
  public_metadata: nullable(jsonb(text)),
});

export type StoredMembership = RowOf<typeof memberships.columns>;

export const search = createDerivedTable(
  "user_search",
  "s",
  {
    created_at: bigint,
    banned: boolean,
    password_enabled: boolean,
    two_factor_enabled: boolean,
    has_image: boolean,
    search: text,
    id: text,
    email_key: nullable(text),
    phone_key: nullable(text),
    username_key: nullable(text),
    wallet_key: nullable(text),
    first_name_key: nullable(text),
    last_name_key: nullable(text),
    name_search: text,
    external_id: nullable(text),
    email_domains: texts,
    providers: texts,
    identifier_search: text,
  },
  // They follow from the names, and from what is searched.
  { key: ["id"], notCompared: ["name_search", "identifier_search"] },
);

export type SearchRow = RowOf<typeof search.columns>;

export const grams = createDerivedTable("user_grams", "g", { id: text, rare_grams: lines }, { key: ["id"] });

export const activity = createDerivedTable(
  "user_activity",
  "a",
  {
    id: text,
    updated_at: bigint,
    last_active_at: nullable(bigint),
    last_sign_in_at: nullable(bigint),
    created_at: bigint,
    banned: boolean,
    has_image: boolean,
    password_enabled: boolean,
    two_factor_enabled: boolean,
    number: nullable(integer),
  },
  { key: ["id"] },
);

export type ActivityRow = RowOf<typeof activity.columns>;

export const metadata = createDerivedTable(
  "user_metadata",
  "m",
  {
    id: text,
    public_metadata: nullable(jsonb(jsonText)),
    unsafe_metadata: nullable(jsonb(jsonText)),
    private_metadata: nullable(jsonb(jsonText)),
    created_at: bigint,
  },
  { key: ["id"] },
);

export type MetadataRow = RowOf<typeof metadata.columns>;

export const identifiers = createDerivedTable(
  "user_identifiers",
  "i",
  {
    user_id: text,
    kind: text as Column<"email" | "phone" | "username" | "wallet" | "account">,
    value: text,
    folded: text,
    clerk_id: nullable(text),
    is_primary: boolean,
    verification_status: nullable(text),
    created_at: nullable(bigint),
    updated_at: nullable(bigint),
    detail: nullable(jsonb(jsonText)),
    domain: nullable(text),
    account_email: nullable(text),
  },
  { key: ["user_id", "kind", "value"] },
);

export type IdentifierRow = RowOf<typeof identifiers.columns>;
