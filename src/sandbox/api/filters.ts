import { badParam } from "../world/failure.js";
import type { Store } from "../world/store.js";
import type { User } from "../world/types.js";

/** Decides whether a user belongs in a list. Throws Clerk's answer to a parameter that it refuses. */
export type Test = (user: User) => boolean;

const DAY_MS = 86_400_000;
const fold = (text: string) =>
  text.normalize("NFC").toLowerCase().replaceAll("i\u0307", "i").replaceAll("ς", "σ");

/** The 22 filters of list and count. A user must match all that are given. */
export function userTests(store: Store, query: URLSearchParams): Test[] {
  const tests: Test[] = [];
  const add = (test: Test | null) => {
    if (test) tests.push(test);
  };
  const emails = (user: User) => user.email_addresses.map((one) => one.email_address);
  const phones = (user: User) => user.phone_numbers.map((one) => one.phone_number);
  const wallets = (user: User) => user.web3_wallets.map((one) => one.web3_wallet);
  const one = (value: string | null) => (value === null ? [] : [value]);
  const names = ({ first_name: first, last_name: last }: User) => [
    ...one(first),
    ...one(last),
    ...(first !== null && last !== null ? [`${first} ${last}`] : []),
  ];
  add(anyOf(query, "email_address", emails, fold));
  add(anyOf(query, "web3_wallet", wallets, fold));
  add(anyOf(query, "username", (user) => one(user.username), fold));
  add(anyOf(query, "phone_number", phones, (value) => value.replace(/^ /, "+")));
  add(signed(query, "external_id", (user) => one(user.external_id)));
  add(signed(query, "user_id", (user) => [user.id]));
  add(signed(query, "organization_id", organizationsByUser(store, query)));
  add(
    contains(query, "query", (user) => [
      ...emails(user),
      ...phones(user),
      ...one(user.username),
      ...wallets(user),
      user.id,
      ...names(user),
    ]),
  );
  add(contains(query, "email_address_query", emails));
  add(contains(query, "phone_number_query", phones));
  add(contains(query, "username_query", (user) => one(user.username)));
  add(contains(query, "name_query", names));
  add(banned(query));
  for (const field of ["created_at", "last_active_at", "last_sign_in_at"] as const) {
    add(
      time(
        query,
        `${field}_before`,
        (at) => at,
        (user) => user[field],
        (at, value) => at < value,
      ),
    );
    add(
      time(
        query,
        `${field}_after`,
        (at) => at,
        (user) => user[field],
        (at, value) => at > value,
      ),
    );
  }
  const startOfDay = (at: number) => Math.floor(at / DAY_MS) * DAY_MS;
  add(
    time(
      query,
      "last_active_at_since",
      startOfDay,
      (user) => user.last_active_at,
      (at, value) => at >= value,
    ),
  );
  add(account(query));
  return tests;
}

export function integer(query: URLSearchParams, name: string): number | null {
  const text = query.get(name);
  if (text === null) return null;
  if (/^-?\d{1,16}$/.test(text)) return Number(text);
  throw badParam(name, "form_param_value_invalid", `${name} must be an integer.`);
}

/** All values of a parameter that may be repeated. Null when it isn't given. */
function values(query: URLSearchParams, name: string): string[] | null {
  const keys = [...query.keys()].filter((key) => key === name || /^\[\d*\]$/.test(key.replace(name, "")));
  const all = [...new Set(keys)].flatMap((key) => query.getAll(key));
  if (all.length === 0) return null;
  if (all.length <= 100) return all;
  throw badParam(name, "form_param_array_size_exceeded", `${name} takes at most 100 values.`);
}

function anyOf(
  query: URLSearchParams,
  name: string,
  read: (user: User) => string[],
  normalise: (value: string) => string,
): Test | null {
  const wanted = values(query, name)?.map(normalise);
  return wanted
    ? (user) => read(user).some((value) => value !== "" && wanted.includes(normalise(value)))
    : null;
}

function signed(query: URLSearchParams, name: string, read: (user: User) => readonly string[]): Test | null {
  const given = values(query, name)?.map((value) => value.replace(/^ /, "+"));
  if (!given) return null;
  const strip = (list: string[]) => new Set(list.map((value) => value.replace(/^[+-]/, "")).filter(Boolean));
  const plus = given.filter((value) => !value.startsWith("-"));
  const wanted = strip(plus);
  const unwanted = strip(given.filter((value) => value.startsWith("-")));
  return (user) => {
    const own = read(user);
    return (
      (plus.length === 0 || own.some((value) => wanted.has(value))) &&
      !own.some((value) => unwanted.has(value))
    );
  };
}

function organizationsByUser(store: Store, query: URLSearchParams): (user: User) => readonly string[] {
  if (!values(query, "organization_id")) return () => [];
  const byUser = new Map<string, string[]>();
  for (const { user_id, organization_id } of store.memberships.values()) {
    byUser.set(user_id, [...(byUser.get(user_id) ?? []), organization_id]);
  }
  return (user) => byUser.get(user.id) ?? [];
}

function contains(query: URLSearchParams, name: string, read: (user: User) => string[]): Test | null {
  const term = fold(query.get(name) ?? "");
  return term === "" ? null : (user) => read(user).some((value) => fold(value).includes(term));
}

function banned(query: URLSearchParams): Test | null {
  const text = query.get("banned");
  if (text === null) return null;
  if (text !== "true" && text !== "false") {
    throw badParam("banned", "form_param_value_invalid", "banned must be true or false.");
  }
  return (user) => String(user.banned) === text;
}

function time(
  query: URLSearchParams,
  name: string,
  round: (at: number) => number,
  read: (user: User) => number | null,
  holds: (at: number, value: number) => boolean,
): Test | null {
  const given = integer(query, name);
  if (given === null) return null;
  const value = round(given);
  return (user) => {
    const at = read(user);
    return at !== null && holds(at, value);
  };
}

function account(query: URLSearchParams): Test | null {
  const provider = query.get("provider");
  const ids = values(query, "provider_user_id");
  if (provider === null && ids === null) return null;
  if (provider === null || ids === null) {
    const missing = provider === null ? "provider" : "provider_user_id";
    throw badParam(
      missing,
      "form_conditional_param_missing",
      "provider and provider_user_id go only together.",
    );
  }
  return (user) =>
    user.external_accounts.some((one) => one.provider === provider && ids.includes(one.provider_user_id));
}
