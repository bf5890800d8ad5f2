import type { ClerkUser, Json } from "../../clerk.js";
import { accountKey, exactKey, foldedKey, searchText } from "../../lib/text.js";
import { safeJson } from "./safe-json.js";
import type { IdentifierRow, MetadataRow, SearchRow } from "./tables.js";

/** All that is derived from one user's content. */
export interface Derived {
  search: SearchRow;
  metadata: MetadataRow;
  identifiers: IdentifierRow[];
}

export function derivedRows(user: ClerkUser): Derived {
  const identifiers = identifierRows(user);
  return { search: searchRow(user, identifiers), metadata: metadataRow(user, identifiers), identifiers };
}

/** The row that list, count and search read. */
function searchRow(user: ClerkUser, identifiers: readonly IdentifierRow[]): SearchRow {
  const [first, last, username] = [text(user.first_name), text(user.last_name), text(user.username)];
  const names = nameFields(first, last);
  const fields = [
    ...valuesOf(user.email_addresses, "email_address"),
    ...valuesOf(user.phone_numbers, "phone_number"),
    ...(username === null ? [] : [username]),
    ...valuesOf(user.web3_wallets, "web3_wallet"),
    user.id,
    ...names,
  ];
  const search = fields.map(searchText).join("\n");
  return {
    id: user.id,
    created_at: user.created_at,
    banned: user.banned === true,
    password_enabled: user.password_enabled === true,
    two_factor_enabled: user.two_factor_enabled === true,
    has_image: user.has_image === true,
    search,
    email_key: primaryOf(identifiers, "email")?.folded ?? null,
    phone_key: primaryOf(identifiers, "phone")?.folded ?? null,
    username_key: orNull(username, foldedKey),
    wallet_key: primaryOf(identifiers, "wallet")?.folded ?? null,
    first_name_key: orNull(first, foldedKey),
    last_name_key: orNull(last, foldedKey),
    name_search: names.map(searchText).join("\n"),
    external_id: orNull(text(user.external_id), exactKey),
  };
}

function primaryOf(identifiers: readonly IdentifierRow[], kind: IdentifierRow["kind"]): IdentifierRow | null {
  return identifiers.find((one) => one.kind === kind && one.is_primary) ?? null;
}

/** `first last` is a name only if both are set. */
function nameFields(first: string | null, last: string | null): string[] {
  const names = [first, last].filter((name) => name !== null);
  return first !== null && last !== null ? [...names, `${first} ${last}`] : names;
}

/** Has each `(kind, value)` once, because Postgres refuses to change a row twice in one statement. */
function identifierRows(user: ClerkUser): IdentifierRow[] {
  const rows: IdentifierRow[] = [];
  const byKey = new Map<string, IdentifierRow>();
  const add = (row: IdentifierRow) => {
    const name = `${row.kind}\n${row.value}`;
    const twin = byKey.get(name);
    if (twin) twin.is_primary ||= row.is_primary;
    else {
      rows.push(row);
      byKey.set(name, row);
    }
  };
  // Literals instead of spreads: a user can have ten thousand identifiers, and a spread costs ten times as much.
  const addNamed = (kind: IdentifierRow["kind"], value: string | null, object: Json, isPrimary: boolean) => {
    if (value === null) return;
    add({
      user_id: user.id,
      kind,
      value: exactKey(value),
      folded: foldedKey(value),
      clerk_id: orNull(text(object.id), exactKey),
      is_primary: isPrimary,
      verification_status: verificationStatus(object),
      created_at: time(object.created_at),
      updated_at: time(object.updated_at),
      detail: null,
    });
  };
  for (const email of objects(user.email_addresses)) {
    addNamed("email", text(email.email_address), email, email.id === user.primary_email_address_id);
  }
  for (const phone of objects(user.phone_numbers)) {
    addNamed("phone", text(phone.phone_number), phone, phone.id === user.primary_phone_number_id);
  }
  for (const wallet of objects(user.web3_wallets)) {
    addNamed("wallet", text(wallet.web3_wallet), wallet, wallet.id === user.primary_web3_wallet_id);
  }
  addNamed("username", text(user.username), {}, true);
  for (const [n, account] of objects(user.external_accounts).entries()) {
    const key = keyOfAccount(account);
    const id = accountId(account);
    const first = key === null ? undefined : byKey.get(`account\n${exactKey(key)}`);
    if (first && first.clerk_id !== null && first.clerk_id === id) continue;
    add({
      user_id: user.id,
      kind: "account",
      value: key === null || first ? apart(key, id ?? String(n)) : exactKey(key),
      folded: key === null ? "" : foldedKey(key),
      clerk_id: orNull(id, exactKey),
      is_primary: false,
      verification_status: verificationStatus(account),
      created_at: time(account.created_at),
      updated_at: time(account.updated_at),
      detail: safeJson(account),
    });
  }
  return rows;
}

const verificationStatus = (object: Json) => orNull(text(objectOf(object.verification)?.status), exactKey);

/** The value that the filters `provider` and `provider_user_id` look for. */
function keyOfAccount(account: Json): string | null {
  const [provider, id] = [text(account.provider), text(account.provider_user_id)];
  return provider === null || id === null ? null : accountKey(provider, id);
}

/** The id by which Clerk's API deletes the account. In legacy accounts `id` is that of their identification instead. */
const accountId = (account: Json) => text(account.external_account_id) || text(account.id);

/**
 * The value of an account whose key can't be its value: it has no key, or another account of the user has the same one, since
 * some providers leave the id empty. No filter finds it by this value, because filters also compare the folded key.
 * Migration 0011 makes the same values.
 */
function apart(key: string | null, id: string): string {
  return `${exactKey(key ?? "")
    .slice(0, 300)
    .toWellFormed()}\n${exactKey(id).slice(0, 200).toWellFormed()}`;
}

function metadataRow(user: ClerkUser, identifiers: readonly IdentifierRow[]): MetadataRow {
  return {
    id: user.id,
    public_metadata: orNull(user.public_metadata, safeJson),
    unsafe_metadata: orNull(user.unsafe_metadata, safeJson),
    private_metadata: orNull(user.private_metadata, safeJson),
    username: orNull(text(user.username), exactKey),
    first_name: orNull(text(user.first_name), exactKey),
    last_name: orNull(text(user.last_name), exactKey),
    email_address: primaryOf(identifiers, "email")?.value ?? null,
    phone_number: primaryOf(identifiers, "phone")?.value ?? null,
    web3_wallet: primaryOf(identifiers, "wallet")?.value ?? null,
    image_url: orNull(text(user.image_url), exactKey),
  };
}

export function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function time(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : null;
}

function objects(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter((item) => objectOf(item) !== null) : [];
}

function objectOf(value: unknown): Json | null {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Json) : null;
}

function valuesOf(list: unknown, field: string): string[] {
  return objects(list).flatMap((item) => (typeof item[field] === "string" ? [item[field]] : []));
}

export function orNull<T, R>(value: T | null | undefined, present: (value: T) => R): R | null {
  return value === null || value === undefined ? null : present(value);
}
