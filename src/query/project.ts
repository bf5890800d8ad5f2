import type { Json } from "../clerk.js";
import { domainOf, foldedKey } from "../lib/text.js";
import type { FieldName, Projected } from "./field.js";
import { presentUser, type RawRow, SHOWN_COLUMNS, type View } from "./present.js";

/** What becomes of a row whose columns are those of `shownColumns`, beginning at index `at`: the user's JSON in pieces. */
export type ShowUser = (row: RawRow, at?: number) => Buffer[];

/** Users as they are, or, with `fields`, as an object of these alone, in their order. */
export function showUser(fields: readonly Projected[] | null, view: View, nowMs: number): ShowUser {
  if (!fields) return (row, at) => presentUser(row, view, nowMs, at).pieces;
  const columns = columnsOf(fields);
  const openings = columns.map(({ name }, n) => `${n === 0 ? "{" : ","}${JSON.stringify(name)}:`);
  return (row, at) => {
    const values = valuesOf(columns, userOf(row, view, nowMs, at));
    const members = values.map((value, n) => `${openings[n]}${JSON.stringify(value)}`);
    return [Buffer.from(members.length > 0 ? `${members.join("")}}` : "{}")];
  };
}

/** The columns that a statement must read to show a user; it calls the user `u`. */
export function shownColumns(fields: readonly Projected[] | null): string {
  return fields?.some(isOfMemberships) ? `${SHOWN_COLUMNS}, ${MEMBERSHIPS}` : SHOWN_COLUMNS;
}

/** As the view shows them: none of an organization that was deleted. */
const MEMBERSHIPS = `(select json_agg(json_build_array(m.organization_id, m.role) order by m.created_at, m.id)::text
      from mirror.organization_memberships m where m.user_id = u.id)`;

const isOfMemberships = (field: Projected) =>
  field.kind === "field" && (field.name === "organization_id" || field.name === "organization_role");

/** One entry of `fields`. */
export interface Column {
  name: string;
  /** Its values are milliseconds. */
  isTime: boolean;
  /** Null where the user has no such value. */
  read: (user: ShownUser) => unknown;
}

/** A user as the reader may see it, with its memberships if one of the columns speaks of them. */
export interface ShownUser {
  user: Json;
  memberships: readonly Membership[];
}

type Membership = readonly [organizationId: string, role: string | null];

/** Each name once. */
export function columnsOf(fields: readonly Projected[]): Column[] {
  const byName = new Map<string, Column>();
  for (const field of fields) {
    const name = field.kind === "metadata" ? field.text : field.name;
    byName.set(name, {
      name,
      isTime: field.kind !== "metadata" && name.endsWith("_at"),
      read: readerOf(field),
    });
  }
  return [...byName.values()];
}

export function userOf(row: RawRow, view: View, nowMs: number, at = 0): ShownUser {
  const { pieces } = presentUser(row, view, nowMs, at);
  const memberships = row[at + WIDTH];
  return {
    user: JSON.parse(String(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces))),
    memberships: memberships ? JSON.parse(String(memberships)) : [],
  };
}

const WIDTH = SHOWN_COLUMNS.split(",").length;

export const valuesOf = (columns: readonly Column[], user: ShownUser): unknown[] =>
  columns.map(({ read }) => read(user) ?? null);

function readerOf(field: Projected): Column["read"] {
  if (field.kind === "metadata") {
    const { object, path } = field;
    return ({ user }) => path.reduce<unknown>(memberOf, user[`${object}_metadata`]);
  }
  const { name } = field;
  const derived = field.kind === "field" ? DERIVED[field.name] : undefined;
  return derived ?? (({ user }) => memberOf(user, name));
}

/** What stands under this key of an object. Arrays, and whatever objects inherit, have no keys of their own. */
function memberOf(value: unknown, key: string): unknown {
  const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
  return isObject && Object.hasOwn(value, key) ? (value as Json)[key] : null;
}

/**
 * The fields that aren't members of Clerk's user. Where one of several values is the primary one, it is shown, and null if the
 * user has none; of the others, which have no primary value, all are, in an array.
 */
const DERIVED: Partial<Record<FieldName, Column["read"]>> = {
  name: ({ user }) => namesOf(user),
  email_address: ({ user }) => primaryEmail(user),
  email_domain: ({ user }) => domainOfAddress(primaryEmail(user)),
  phone_number: ({ user }) => primaryOf(user.phone_numbers, user.primary_phone_number_id, "phone_number"),
  web3_wallet: ({ user }) => primaryOf(user.web3_wallets, user.primary_web3_wallet_id, "web3_wallet"),
  provider: ({ user }) => providersOf(user),
  organization_id: ({ memberships }) => memberships.map(([organizationId]) => organizationId),
  organization_role: ({ memberships }) => memberships.map(([, role]) => role),
};

function namesOf({ first_name: first, last_name: last }: Json): string[] {
  const names = [first, last].filter((name) => typeof name === "string");
  return names.length === 2 ? [...names, names.join(" ")] : names;
}

const primaryEmail = (user: Json) =>
  primaryOf(user.email_addresses, user.primary_email_address_id, "email_address");

function primaryOf(list: unknown, id: unknown, member: string): string | null {
  const found = objectsOf(list).find((one) => one.id === id && typeof one[member] === "string");
  return found ? (found[member] as string) : null;
}

/** As it is filtered and grouped by: folded. */
const domainOfAddress = (address: string | null) => (address === null ? null : domainOf(foldedKey(address)));

/** As Clerk spells them, each once, in the order of their bytes. */
function providersOf(user: Json): string[] {
  const providers = objectsOf(user.external_accounts).flatMap(({ provider }) =>
    typeof provider === "string" ? [provider] : [],
  );
  return providers.length < 2
    ? providers
    : [...new Set(providers)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

const objectsOf = (value: unknown): Json[] =>
  Array.isArray(value) ? value.filter((one) => one !== null && typeof one === "object") : [];
