import { type ClerkUser, isTimeMs, type Json } from "../../clerk.js";
import { isSameJson } from "../../lib/json.js";
import { accountKey, domainOf, exactKey, foldedKey, plainProvider, searchText } from "../../lib/text.js";
import type { Pause } from "../../lib/turns.js";
import { safeJson } from "./safe-json.js";
import type { ActivityRow, IdentifierRow, MetadataRow, SearchRow, StoredUser } from "./tables.js";

/** All that is derived from one user's content. */
export interface Derived {
  search: SearchRow;
  metadata: MetadataRow;
  identifiers: IdentifierRow[];
}

export function derivedRows(user: ClerkUser): Derived {
  const identifiers = identifierRows(user);
  return { search: searchRow(user, identifiers), metadata: metadataRow(user), identifiers };
}

/** The rows derived from a user, each null where it is as it was. */
export interface ChangedRows {
  search: SearchRow | null;
  /** The text that was searched before. Null: there was none, or `search` is null. */
  searchBefore: string | null;
  metadata: MetadataRow | null;
  identifiers: IdentifierRow[] | null;
}

/** What identifiers are derived from, and what else a search row is. */
const IN_IDENTIFIERS = [
  ...["email_addresses", "phone_numbers", "web3_wallets", "external_accounts", "username"],
  ...["primary_email_address_id", "primary_phone_number_id", "primary_web3_wallet_id"],
];
const IN_SEARCH = [
  ...["first_name", "last_name", "external_id", "created_at"],
  ...["banned", "password_enabled", "two_factor_enabled", "has_image"],
];

/**
 * What follows from a user, compared with what follows from the stored one (null: there is none). Members are compared before
 * anything is derived from them: for a changed name that takes half of the time of deriving both and comparing.
 */
export async function changedRows(
  user: ClerkUser,
  stored: { user: ClerkUser; hasSamePrivate: boolean } | null,
  pause: Pause,
): Promise<ChangedRows> {
  if (!stored) return { ...derivedRows(user), searchBefore: null };
  const isSame = (name: string) => isSameJson(user[name], stored.user[name]);
  const changed: ChangedRows = { search: null, searchBefore: null, metadata: null, identifiers: null };
  const hasSameMetadata =
    stored.hasSamePrivate && ["public_metadata", "unsafe_metadata", "created_at"].every(isSame);
  if (!hasSameMetadata) changed.metadata = metadataRow(user);
  await pause();
  const hasSameIdentifiers = IN_IDENTIFIERS.every(isSame);
  if (hasSameIdentifiers && IN_SEARCH.every(isSame)) return changed;
  await pause();
  const identifiers = identifierRows(user);
  await pause();
  const before = hasSameIdentifiers ? identifiers : identifierRows(stored.user);
  await pause();
  const [search, searchBefore] = [searchRow(user, identifiers), searchRow(stored.user, before)];
  if (!hasSameIdentifiers && !isSameJson(before, identifiers)) changed.identifiers = identifiers;
  if (!isSameJson(searchBefore, search)) {
    changed.search = search;
    changed.searchBefore = searchBefore.search;
  }
  await pause();
  return changed;
}

/** The user's row there. Its number and times are those of the stored row; the times are the greatest seen. */
export function activityRow(row: StoredUser, user: ClerkUser): ActivityRow {
  const { id, updated_at, last_active_at, last_sign_in_at, number } = row;
  const times = { updated_at, last_active_at, last_sign_in_at, created_at: user.created_at };
  return { id, ...times, ...flags(user), number };
}

const flags = (user: ClerkUser) => ({
  banned: user.banned === true,
  password_enabled: user.password_enabled === true,
  two_factor_enabled: user.two_factor_enabled === true,
  has_image: user.has_image === true,
});

/** The columns of `users` that show names as Clerk spells them. */
export function spelledNames(user: ClerkUser) {
  const member = (name: string) => orNull(text(user[name]), exactKey);
  const primary = (list: unknown, id: unknown, field: string) => {
    const object = objects(list).find((one) => one.id === id && text(one[field]) !== null);
    return orNull(text(object?.[field]), exactKey);
  };
  return {
    username: member("username"),
    first_name: member("first_name"),
    last_name: member("last_name"),
    email_address: primary(user.email_addresses, user.primary_email_address_id, "email_address"),
    phone_number: primary(user.phone_numbers, user.primary_phone_number_id, "phone_number"),
    web3_wallet: primary(user.web3_wallets, user.primary_web3_wallet_id, "web3_wallet"),
    image_url: member("image_url"),
  };
}

/** The row that list, count and search read. */
function searchRow(user: ClerkUser, identifiers: readonly IdentifierRow[]): SearchRow {
  const [first, last, username] = [text(user.first_name), text(user.last_name), text(user.username)];
  const names = nameFields(first, last);
  const told = [
    ...valuesOf(user.email_addresses, "email_address"),
    ...valuesOf(user.phone_numbers, "phone_number"),
    ...valuesOf(user.web3_wallets, "web3_wallet"),
    ...(username === null ? [] : [username]),
  ].map(searchText);
  const id = searchText(user.id);
  // What is the same as the id stands beside it: the index of what is searched beside ids keeps one of two lines that touch.
  const others = told.filter((line) => line !== id);
  const same = told.filter((line) => line === id);
  const search = [...others, ...same, id, ...names.map(searchText)].join("\n");
  return {
    id: user.id,
    created_at: user.created_at,
    ...flags(user),
    search,
    email_key: primaryOf(identifiers, "email")?.folded ?? null,
    phone_key: primaryOf(identifiers, "phone")?.folded ?? null,
    username_key: orNull(username, foldedKey),
    wallet_key: primaryOf(identifiers, "wallet")?.folded ?? null,
    first_name_key: orNull(first, foldedKey),
    last_name_key: orNull(last, foldedKey),
    name_search: names.map(searchText).join("\n"),
    external_id: orNull(text(user.external_id), exactKey),
    email_domains: eachOnce(identifiers.flatMap(({ domain }) => domain ?? [])),
    providers: eachOnce(
      valuesOf(user.external_accounts, "provider").map((provider) => exactKey(plainProvider(provider))),
    ),
  };
}

/** In the order of their bytes, which is the database's. Few users have more than one. */
function eachOnce(values: string[]): string[] {
  if (values.length < 2) return values;
  return [...new Set(values)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
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
    const folded = foldedKey(value);
    add({
      user_id: user.id,
      kind,
      value: exactKey(value),
      folded,
      clerk_id: orNull(text(object.id), exactKey),
      is_primary: isPrimary,
      verification_status: verificationStatus(object),
      created_at: time(object.created_at),
      updated_at: time(object.updated_at),
      detail: null,
      domain: kind === "email" ? domainOf(folded) : null,
      account_email: null,
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
      domain: null,
      account_email: orNull(text(account.email_address), foldedKey),
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

function metadataRow(user: ClerkUser): MetadataRow {
  return {
    id: user.id,
    public_metadata: orNull(user.public_metadata, safeJson),
    unsafe_metadata: orNull(user.unsafe_metadata, safeJson),
    private_metadata: orNull(user.private_metadata, safeJson),
    created_at: user.created_at,
  };
}

export function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function time(value: unknown): number | null {
  return isTimeMs(value) ? value : null;
}

function objects(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter((item) => objectOf(item) !== null) : [];
}

function objectOf(value: unknown): Json | null {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Json) : null;
}

function valuesOf(list: unknown, field: string): string[] {
  const values: string[] = [];
  for (const item of objects(list)) {
    const value = item[field];
    if (typeof value === "string") values.push(value);
  }
  return values;
}

export function orNull<T, R>(value: T | null | undefined, present: (value: T) => R): R | null {
  return value === null || value === undefined ? null : present(value);
}
