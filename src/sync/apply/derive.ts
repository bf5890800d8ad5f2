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

// The functions below run for every event, without callbacks that see what is around them: V8 forgets what it has compiled of a
// function with each collection after which none of its kind is alive, and would compile those again all the time.

/** What metadata and identifiers are derived from, and what else a search row is. */
const IN_METADATA = ["public_metadata", "unsafe_metadata", "created_at"];
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
  const changed: ChangedRows = { search: null, searchBefore: null, metadata: null, identifiers: null };
  const hasSameMetadata = stored.hasSamePrivate && haveSame(IN_METADATA, user, stored.user);
  if (!hasSameMetadata) changed.metadata = metadataRow(user);
  await pause();
  const hasSameIdentifiers = haveSame(IN_IDENTIFIERS, user, stored.user);
  if (hasSameIdentifiers && haveSame(IN_SEARCH, user, stored.user)) return changed;
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

function haveSame(names: readonly string[], one: ClerkUser, other: ClerkUser): boolean {
  for (const name of names) if (!isSameJson(one[name], other[name])) return false;
  return true;
}

/** The user's row there. Its number and times are those of the stored row; the times are the greatest seen. */
export function activityRow(row: StoredUser, user: ClerkUser): ActivityRow {
  return {
    id: row.id,
    updated_at: row.updated_at,
    last_active_at: row.last_active_at,
    last_sign_in_at: row.last_sign_in_at,
    created_at: user.created_at,
    banned: user.banned === true,
    password_enabled: user.password_enabled === true,
    two_factor_enabled: user.two_factor_enabled === true,
    has_image: user.has_image === true,
    number: row.number,
  };
}

/** The columns of `users` that show names as Clerk spells them. */
export function spelledNames(user: ClerkUser) {
  return {
    username: orNull(text(user.username), exactKey),
    first_name: orNull(text(user.first_name), exactKey),
    last_name: orNull(text(user.last_name), exactKey),
    email_address: spelledPrimary(user.email_addresses, user.primary_email_address_id, "email_address"),
    phone_number: spelledPrimary(user.phone_numbers, user.primary_phone_number_id, "phone_number"),
    web3_wallet: spelledPrimary(user.web3_wallets, user.primary_web3_wallet_id, "web3_wallet"),
    image_url: orNull(text(user.image_url), exactKey),
  };
}

function spelledPrimary(list: unknown, id: unknown, field: string): string | null {
  for (const one of objects(list)) {
    const value = one[field];
    if (one.id === id && typeof value === "string") return exactKey(value);
  }
  return null;
}

/** The row that list, count and search read. */
function searchRow(user: ClerkUser, identifiers: readonly IdentifierRow[]): SearchRow {
  const [first, last, username] = [text(user.first_name), text(user.last_name), text(user.username)];
  const names = nameFields(first, last).map(searchText);
  const told = [
    ...valuesOf(user.email_addresses, "email_address"),
    ...valuesOf(user.phone_numbers, "phone_number"),
    ...valuesOf(user.web3_wallets, "web3_wallet"),
  ];
  if (username !== null) told.push(username);
  const lines = told.map(searchText);
  return {
    id: user.id,
    created_at: user.created_at,
    banned: user.banned === true,
    password_enabled: user.password_enabled === true,
    two_factor_enabled: user.two_factor_enabled === true,
    has_image: user.has_image === true,
    search: [...lines, searchText(user.id), ...names].join("\n"),
    email_key: primaryOf(identifiers, "email")?.folded ?? null,
    phone_key: primaryOf(identifiers, "phone")?.folded ?? null,
    username_key: orNull(username, foldedKey),
    wallet_key: primaryOf(identifiers, "wallet")?.folded ?? null,
    first_name_key: orNull(first, foldedKey),
    last_name_key: orNull(last, foldedKey),
    name_search: names.join("\n"),
    external_id: orNull(text(user.external_id), exactKey),
    email_domains: eachOnce(valuesOf(identifiers, "domain")),
    providers: eachOnce(valuesOf(user.external_accounts, "provider").map(providerKey)),
    identifier_search: lines.join("\n"),
  };
}

const providerKey = (provider: string) => exactKey(plainProvider(provider));

/** In the order of their bytes, which is the database's. Few users have more than one. */
function eachOnce(values: string[]): string[] {
  if (values.length < 2) return values;
  return [...new Set(values)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function primaryOf(identifiers: readonly IdentifierRow[], kind: IdentifierRow["kind"]): IdentifierRow | null {
  for (const one of identifiers) if (one.kind === kind && one.is_primary) return one;
  return null;
}

/** `first last` is a name only if both are set. */
function nameFields(first: string | null, last: string | null): string[] {
  if (first !== null && last !== null) return [first, last, `${first} ${last}`];
  const name = first ?? last;
  return name === null ? [] : [name];
}

/** Has each `(kind, value)` once, because Postgres refuses to change a row twice in one statement. */
class Identifiers {
  private readonly byKey = new Map<string, IdentifierRow>();

  constructor(private readonly userId: string) {}

  rows(): IdentifierRow[] {
    return [...this.byKey.values()];
  }

  get(kind: IdentifierRow["kind"], value: string): IdentifierRow | undefined {
    return this.byKey.get(`${kind}\n${value}`);
  }

  add(row: IdentifierRow): void {
    const twin = this.get(row.kind, row.value);
    if (twin) twin.is_primary ||= row.is_primary;
    else this.byKey.set(`${row.kind}\n${row.value}`, row);
  }

  // Literals instead of spreads: a user can have ten thousand identifiers, and a spread costs ten times as much.
  addNamed(kind: IdentifierRow["kind"], value: string | null, object: Json, isPrimary: boolean): void {
    if (value === null) return;
    const folded = foldedKey(value);
    this.add({
      user_id: this.userId,
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
  }
}

function identifierRows(user: ClerkUser): IdentifierRow[] {
  const found = new Identifiers(user.id);
  for (const email of objects(user.email_addresses)) {
    found.addNamed("email", text(email.email_address), email, email.id === user.primary_email_address_id);
  }
  for (const phone of objects(user.phone_numbers)) {
    found.addNamed("phone", text(phone.phone_number), phone, phone.id === user.primary_phone_number_id);
  }
  for (const wallet of objects(user.web3_wallets)) {
    found.addNamed("wallet", text(wallet.web3_wallet), wallet, wallet.id === user.primary_web3_wallet_id);
  }
  found.addNamed("username", text(user.username), {}, true);
  for (const [n, account] of objects(user.external_accounts).entries()) {
    const key = keyOfAccount(account);
    const id = accountId(account);
    const first = key === null ? undefined : found.get("account", exactKey(key));
    if (first && first.clerk_id !== null && first.clerk_id === id) continue;
    found.add({
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
  return found.rows();
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
  return Array.isArray(value) ? value.filter(isObject) : [];
}

const isObject = (value: unknown): value is Json => objectOf(value) !== null;

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
