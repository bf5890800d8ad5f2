import { COLUMNS, type Table } from "../columns.js";
import { metadataAt } from "../compile/metadata.js";
import type { FieldName } from "../field.js";
import type { Parameters } from "../parameters.js";
import { ACTIVE_DAY, type Group } from "./request.js";

/**
 * How users are told apart by one field. `flag`, `time`: a value of each user. `text`: one, or none. `texts`: any number of them.
 * `json`: what stands in metadata, where an array is its elements. `days`: bits of days on which users were active.
 */
export interface Grouping {
  kind: "time" | "flag" | "text" | "texts" | "json" | "days";
  /** Each of these tables has it; the first is the one that is read the fastest. Empty: it is in rows of its own. */
  in: readonly Table[];
  /** What is read of each user. Of metadata it is the text of the value, and its type. */
  read: (source: Source) => readonly string[];
}

export interface Source {
  /** The alias of one of the tables. */
  alias: string;
  /** The column with the user's id, whatever tables are read. */
  id: string;
  params: Parameters;
  nowMs: number;
}

const ANYWHERE: readonly Table[] = ["activity", "metadata", "search"];
const FLAGS: readonly Table[] = ["activity", "search"];

const flag = (name: string): Grouping => ({
  kind: "flag",
  in: FLAGS,
  read: ({ alias }) => [`${alias}.${name}`],
});
const time = (name: string, tables: readonly Table[]): Grouping => ({
  kind: "time",
  in: tables,
  read: ({ alias }) => [`${alias}.${name}`],
});
const text = (sql: string): Grouping => ({ kind: "text", in: ["search"], read: () => [sql] });
const listed = (sql: string): Grouping => ({ kind: "texts", in: ["search"], read: () => [sql] });

/** Each of a user's rows has one, which `elementsOf` tells. */
const elements: Grouping = { kind: "text", in: [], read: () => [] };

/** Texts that fold case in filters are shown folded: what a group is called is what a filter for its users says. */
const FIELDS: Readonly<Record<FieldName | typeof ACTIVE_DAY, Grouping>> = {
  id: { kind: "text", in: ANYWHERE, read: ({ alias }) => [`${alias}.id`] },
  external_id: text("s.external_id"),
  username: text("s.username_key"),
  first_name: text("s.first_name_key"),
  last_name: text("s.last_name_key"),
  name: listed("string_to_array(nullif(s.name_search, ''), E'\\n')"),
  email_address: elements,
  /** The primary address's. */
  email_domain: text(COLUMNS.primary_domain.sql),
  phone_number: elements,
  web3_wallet: elements,
  provider: elements,
  organization_id: elements,
  organization_role: elements,
  banned: flag("banned"),
  locked: {
    kind: "flag",
    in: ANYWHERE,
    read: ({ id, params, nowMs }) => [
      `${id} in (select u.id from mirror_data.users u where u.locked_until > ${params.add(nowMs)}::bigint)`,
    ],
  },
  two_factor_enabled: flag("two_factor_enabled"),
  password_enabled: flag("password_enabled"),
  has_image: flag("has_image"),
  created_at: time("created_at", ANYWHERE),
  updated_at: time("updated_at", ["activity"]),
  last_active_at: time("last_active_at", ["activity"]),
  last_sign_in_at: time("last_sign_in_at", ["activity"]),
  /** Its table has the numbers of the bits. */
  [ACTIVE_DAY]: { kind: "days", in: ["activity"], read: () => [] },
};

/** Where the values stand that a user has in rows of their own. */
const ELEMENTS: Partial<Record<FieldName, string>> = {
  email_address: "select i.user_id, i.folded as v from mirror_data.user_identifiers i where i.kind = 'email'",
  phone_number: "select i.user_id, i.value as v from mirror_data.user_identifiers i where i.kind = 'phone'",
  web3_wallet: "select i.user_id, i.folded as v from mirror_data.user_identifiers i where i.kind = 'wallet'",
  /** As Clerk spells it. */
  provider:
    "select i.user_id, i.detail->>'provider' as v from mirror_data.user_identifiers i where i.kind = 'account' and i.detail->>'provider' is not null",
  organization_id: "select m.user_id, m.organization_id as v from mirror.organization_memberships m",
  organization_role: "select m.user_id, m.role as v from mirror.organization_memberships m",
};

export function groupingOf(group: Group): Grouping {
  if (group.kind === "time") return FIELDS[group.field];
  const { of } = group;
  if (of.kind === "field") return FIELDS[of.name];
  return {
    kind: "json",
    in: ["metadata"],
    read: ({ params }) => {
      const { value, text } = metadataAt(of, params);
      // Comparing texts takes half as long as comparing JSON.
      return [text, `jsonb_typeof(${value})`];
    },
  };
}

/** A statement for the values that users have in rows of their own, as `user_id` and `v`; null: they stand beside the user. */
export const elementsOf = (group: Group): string | null =>
  group.kind === "value" && group.of.kind === "field" ? (ELEMENTS[group.of.name] ?? null) : null;
