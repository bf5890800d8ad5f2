import type { ListedUsers } from "../faults/list-lag.js";
import { badParam } from "../world/failure.js";
import type { Store } from "../world/store.js";
import type { User } from "../world/types.js";
import { integer, userTests } from "./filters.js";

type Key = (user: User) => string | number | null;

const fold = (text: string | null | undefined) =>
  text?.normalize("NFC").toLowerCase().replaceAll("i\u0307", "i").replaceAll("ς", "σ") ?? null;

const KEYS: Record<string, Key> = {
  created_at: (user) => user.created_at,
  updated_at: (user) => user.updated_at,
  last_active_at: (user) => user.last_active_at,
  last_sign_in_at: (user) => user.last_sign_in_at,
  username: (user) => fold(user.username),
  first_name: (user) => fold(user.first_name),
  last_name: (user) => fold(user.last_name),
  email_address: (user) =>
    fold(user.email_addresses.find((one) => one.id === user.primary_email_address_id)?.email_address),
  phone_number: (user) =>
    fold(user.phone_numbers.find((one) => one.id === user.primary_phone_number_id)?.phone_number),
  web3wallet: (user) =>
    fold(user.web3_wallets.find((one) => one.id === user.primary_web3_wallet_id)?.web3_wallet),
};

/** Lists of users. A list is sorted once and kept until something changes: reading 100,000 users takes 200 pages of it. */
export function createListing(
  store: Store,
  { listed, counted }: { listed: ListedUsers; counted: ListedUsers },
  { cursorPaging }: { cursorPaging: boolean },
) {
  let countIgnores: readonly string[] = [];
  let kept: { version: number; orderBy: string; users: User[] } | null = null;

  function sorted(orderBy: string): User[] {
    const version = listed.version();
    if (kept?.version === version && kept.orderBy === orderBy) return kept.users;
    const users = [...listed.users().values()].sort(comparator(orderBy));
    kept = { version, orderBy, users };
    return users;
  }

  function list(query: URLSearchParams): User[] {
    const tests = userTests(store, query);
    const { limit, offset } = page(query);
    const orderBy = (query.get("order_by") ?? "-created_at").replace(/^ /, "+");
    if (!KEYS[orderBy.replace(/^[+-]/, "")]) {
      throw badParam(
        "order_by",
        "form_param_value_invalid",
        `${orderBy} is not one of the values of order_by.`,
      );
    }
    const users = sorted(orderBy);
    const cursor = cursorPaging ? query.get("starting_after") : null;
    if (cursor !== null) refuseCombined(orderBy, offset);
    const from = cursor === null ? 0 : behind(users, cursor);
    const found: User[] = [];
    let skipped = 0;
    for (let i = from; i < users.length && found.length < limit; i++) {
      const user = users[i];
      if (!user || !tests.every((test) => test(user))) continue;
      if (skipped++ >= offset) found.push(user);
    }
    return found;
  }

  function count(query: URLSearchParams): number {
    const heeded = new URLSearchParams([...query].filter(([name]) => !countIgnores.includes(name)));
    const tests = userTests(store, heeded);
    if (tests.length === 0) return counted.users().size;
    return [...counted.users().values()].filter((user) => tests.every((test) => test(user))).length;
  }

  return {
    list,
    count,
    /** Parameters that counts, but not lists, ignore from now on, as in some other stand-ins. */
    setCountIgnores(names: readonly string[]) {
      countIgnores = names;
    },
  };
}

export type Listing = ReturnType<typeof createListing>;

export function page(query: URLSearchParams): { limit: number; offset: number } {
  const limit = integer(query, "limit") ?? 10;
  if (limit < 1 || limit > 500)
    throw badParam("limit", "form_param_value_invalid", "limit must be from 1 to 500.");
  const offset = integer(query, "offset") ?? 0;
  if (offset < 0) throw badParam("offset", "form_param_value_invalid", "offset must not be negative.");
  return { limit, offset };
}

function refuseCombined(orderBy: string, offset: number): void {
  if (/^[+-]?created_at$/.test(orderBy) && offset === 0) return;
  throw badParam(
    "starting_after",
    "form_conditional_param_disallowed",
    "starting_after goes only with order_by created_at and no offset.",
  );
}

function behind(users: readonly User[], cursor: string): number {
  const at = users.findIndex((user) => user.id === cursor);
  if (at !== -1) return at + 1;
  throw badParam("starting_after", "form_resource_not_found", `No user was found with id ${cursor}.`);
}

function comparator(orderBy: string): (a: User, b: User) => number {
  const sign = orderBy.startsWith("-") ? -1 : 1;
  const key = KEYS[orderBy.replace(/^[+-]/, "")] ?? (() => null);
  return (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === null || y === null) return x === y ? sign * compare(a.id, b.id) : x === null ? 1 : -1;
    return sign * (compare(x, y) || compare(a.id, b.id));
  };
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
}
