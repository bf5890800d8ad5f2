/** The narrow tables by which users are filtered and ordered. Each has exactly the live users. */
export type Table = "search" | "names" | "activity" | "metadata";

/** The first that a statement needs is the one that the others are joined to. */
const TABLES: readonly { table: Table; name: string; alias: string }[] = [
  { table: "search", name: "mirror_data.user_search", alias: "s" },
  { table: "names", name: "mirror_data.user_names", alias: "n" },
  { table: "activity", name: "mirror_data.user_activity", alias: "a" },
  { table: "metadata", name: "mirror_data.user_metadata", alias: "m" },
];

/** What each is called in a statement. */
export const ALIASES = Object.fromEntries(TABLES.map(({ table, alias }) => [table, alias])) as Record<
  Table,
  string
>;

/** Columns that `user_search` and `user_names` both have. */
export const LEAN_COLUMNS = ["id", "created_at", "first_name_key", "last_name_key", "name_search"] as const;

/** What stands behind `from`, and the column with the user's id. */
export interface From {
  from: string;
  id: string;
}

/** Any of the tables is enough where none is asked for. `beside`: what they are joined to. `source`: what stands in place of `user_search`. */
export function tablesOf(
  needed: ReadonlySet<Table>,
  { beside = null, source = null }: { beside?: From | null; source?: string | null } = {},
): From {
  const all = TABLES.filter(({ table }) => needed.has(table));
  const [first = TABLES[0]!, ...others] = all;
  const named = ({ table, name, alias }: (typeof TABLES)[number]) =>
    `${table === "search" && source !== null ? `(${source})` : name} ${alias}`;
  const start = beside ?? { from: named(first), id: `${first.alias}.id` };
  const joined = (beside ? all : others).map((one) => ` join ${named(one)} on ${one.alias}.id = ${start.id}`);
  return { from: `${start.from}${joined.join("")}`, id: start.id };
}

/** A column of one of these tables. */
export interface Column {
  sql: string;
  table: Table;
  nullable: boolean;
  /** An index has the users in its order. */
  ordered?: true;
  /** The same in `user_search`, where no index knows it: for users who are found otherwise. */
  beside?: string;
}

export const COLUMNS = {
  id: { sql: "s.id", table: "search", nullable: false, ordered: true },
  external_id: { sql: "s.external_id", table: "search", nullable: true, ordered: true },
  banned: { sql: "s.banned", table: "search", nullable: false },
  password_enabled: { sql: "s.password_enabled", table: "search", nullable: false },
  two_factor_enabled: { sql: "s.two_factor_enabled", table: "search", nullable: false },
  has_image: { sql: "s.has_image", table: "search", nullable: false },
  created_at: { sql: "s.created_at", table: "search", nullable: false, ordered: true },
  username: { sql: "s.username_key", table: "search", nullable: true, ordered: true },
  first_name: {
    ...{ sql: "n.first_name_key", beside: "s.first_name_key" },
    ...{ table: "names", nullable: true, ordered: true },
  },
  last_name: {
    ...{ sql: "n.last_name_key", beside: "s.last_name_key" },
    ...{ table: "names", nullable: true, ordered: true },
  },
  /** Both names with a space between, or the one there is. */
  name: {
    sql: "coalesce(s.first_name_key || ' ' || s.last_name_key, s.first_name_key, s.last_name_key)",
    table: "search",
    nullable: true,
  },
  /** First name, last name, and both with a space between, a line each. */
  names: { sql: "s.name_search", table: "search", nullable: false },
  /** E-mail addresses, phone numbers, wallets and username, a line each. */
  identifiers: { sql: "s.identifier_search", table: "search", nullable: false },
  /** All that Clerk's `query` looks at, a line each. */
  search: { sql: "s.search", table: "search", nullable: false },
  email_domains: { sql: "s.email_domains", table: "search", nullable: false },
  providers: { sql: "s.providers", table: "search", nullable: false },
  /** Of several identifiers the primary one. */
  primary_email: { sql: "s.email_key", table: "search", nullable: true, ordered: true },
  /** What follows the last @ of that address, if anything does. */
  primary_domain: {
    sql: "nullif(nullif(split_part(s.email_key, '@', -1), s.email_key), '')",
    table: "search",
    nullable: true,
  },
  primary_phone: { sql: "s.phone_key", table: "search", nullable: true, ordered: true },
  primary_wallet: { sql: "s.wallet_key", table: "search", nullable: true, ordered: true },
  updated_at: { sql: "a.updated_at", table: "activity", nullable: false, ordered: true },
  last_active_at: { sql: "a.last_active_at", table: "activity", nullable: true, ordered: true },
  last_sign_in_at: { sql: "a.last_sign_in_at", table: "activity", nullable: true, ordered: true },
} as const satisfies Record<string, Column>;
