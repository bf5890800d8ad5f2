import { textArray } from "../db/connection/bulk.js";
import { exactKey, foldedKey } from "../lib/text.js";
import type { Signed, TimeRange, UserFilter } from "./clerk-params.js";
import { type SearchTerm, searchTerm } from "./search-term.js";
import type { TermStatistics } from "./term-statistics.js";

/** Values of a statement, in the order of their `$n`. */
export class Parameters {
  readonly values: (string | number | boolean)[] = [];

  add(value: string | number | boolean): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  /** As a literal, which needs no type known to the driver. */
  texts(values: readonly string[]): string {
    return `${this.add(textArray(values))}::text::text[]`;
  }
}

/** The conditions of a filter over `user_search s` and `user_activity a`, and which of the two they speak of. */
export interface Where {
  /** One for each filter, or bound, that was given. */
  conditions: string[];
  search: boolean;
  activity: boolean;
  /** Kept are at most a few, told by values that are indexed. */
  few: boolean;
  /** How those with the terms are found; null: no term. */
  terms: "by index" | "by looking" | null;
  /** Pieces of a term, whose index would know the matches, were passed over for being common. */
  hasCommonPieces: boolean;
}

/** How terms are looked for. */
export interface Search {
  statistics: TermStatistics;
  /** Pieces that a larger share of users have aren't worth their index. */
  mostByPieces: number;
}

/** The one builder of WHERE, for lists and counts alike. Values are always parameters. */
export function compileFilter(filter: UserFilter, params: Parameters, search: Search): Where {
  const { statistics, mostByPieces } = search;
  let terms: Where["terms"] = null;
  let hasCommonPieces = false;
  const term = (value: string | null): SearchTerm | null => {
    if (value === null) return null;
    const found = searchTerm(value, statistics.lettersBeyondAscii);
    if (found.kind === "rare" && statistics.shareOf(found.grams) > mostByPieces) {
      hasCommonPieces = true;
      terms ??= "by looking";
      return { ...found, kind: "common" };
    }
    if (found.kind !== "common") terms = "by index";
    else terms ??= "by looking";
    return found;
  };
  const onSearch = [
    ...(filter.emailAddress ? [ownsFolded("email", filter.emailAddress, params)] : []),
    ...(filter.phoneNumber ? [ownsExactly("phone", filter.phoneNumber, params)] : []),
    ...(filter.username ? [among("s.username_key", filter.username.map(foldedKey), params)] : []),
    ...(filter.web3Wallet ? [ownsFolded("wallet", filter.web3Wallet, params)] : []),
    ...(filter.account ? [ownsExactly("account", accounts(filter.account), params)] : []),
    ...signed("s.external_id", filter.externalId, params),
    ...signed("s.id", filter.userId, params),
    ...organizations(filter.organizationId, params),
    ...(filter.banned === null ? [] : [filter.banned ? "s.banned" : "not s.banned"]),
    ...range("s.created_at", filter.createdAt, params),
    ...found(term(filter.query), null, params),
    ...found(term(filter.emailAddressQuery), ownsPart("email"), params),
    ...found(term(filter.phoneNumberQuery), ownsPart("phone"), params),
    ...found(term(filter.usernameQuery), (text) => `position(${text} in s.username_key) > 0`, params),
    ...found(term(filter.nameQuery), (text) => `position(${text} in s.name_search) > 0`, params),
  ];
  const activity = [
    ...range("a.last_active_at", filter.lastActiveAt, params),
    ...range("a.last_sign_in_at", filter.lastSignInAt, params),
    ...(filter.lastActiveSinceMs === null
      ? []
      : [`a.last_active_at >= ${params.add(filter.lastActiveSinceMs)}::bigint`]),
  ];
  return {
    conditions: [...onSearch, ...activity],
    search: onSearch.length > 0,
    activity: activity.length > 0,
    terms,
    hasCommonPieces,
    few:
      NAMING.some((name) => filter[name] !== null) ||
      [filter.externalId, filter.userId].some((one) => one?.include),
  };
}

/** Filters that name users. */
const NAMING = ["emailAddress", "phoneNumber", "username", "web3Wallet", "account"] as const;

type Kind = "email" | "phone" | "wallet" | "account";

function ownsFolded(kind: Kind, values: readonly string[], params: Parameters): string {
  return `s.id in (select i.user_id from mirror_data.user_identifiers i
    where i.kind = '${kind}' and ${among("i.folded", values.map(foldedKey), params)})`;
}

/** One value has a statement of its own, whose plan can be kept: it is as good for every other. */
function among(column: string, values: readonly string[], params: Parameters): string {
  const [only] = values;
  return values.length === 1 && only !== undefined
    ? `${column} = ${params.add(only)}`
    : `${column} = any(${params.texts(values)})`;
}

/** Looked up by the folded value, which is indexed, then compared as it is spelled. */
function ownsExactly(kind: Kind, values: readonly string[], params: Parameters): string {
  return `s.id in (select i.user_id from mirror_data.user_identifiers i
    where i.kind = '${kind}' and ${among("i.folded", values.map(foldedKey), params)}
      and ${among("i.value", values.map(exactKey), params)})`;
}

/** As `sync/apply/derive.ts` spells a linked account. */
function accounts({ provider, userIds }: { provider: string; userIds: string[] }): string[] {
  return userIds.map((id) => `${provider.replace(/^oauth_/, "")}\n${id}`);
}

function ownsPart(kind: Kind): (text: string) => string {
  return (text) => `exists (select from mirror_data.user_identifiers i
    where i.user_id = s.id and i.kind = '${kind}' and position(${text} in i.folded) > 0)`;
}

/** Those left out keep the users who have no such value. */
function signed(column: string, filter: Signed | null, params: Parameters): string[] {
  if (!filter) return [];
  const { include, exclude } = filter;
  return [
    ...(include ? [among(column, include.map(exactKey), params)] : []),
    ...(exclude.length > 0
      ? [`(${column} is null or ${column} <> all(${params.texts(exclude.map(exactKey))}))`]
      : []),
  ];
}

function organizations(filter: Signed | null, params: Parameters): string[] {
  if (!filter) return [];
  const isMember = (ids: string[]) => `exists (select from mirror.organization_memberships m
    where m.user_id = s.id and m.organization_id = any(${params.texts(ids.map(exactKey))}))`;
  const members = (ids: string[]) => `s.id in (select m.user_id from mirror.organization_memberships m
    where m.organization_id = any(${params.texts(ids.map(exactKey))}))`;
  return [
    ...(filter.include ? [members(filter.include)] : []),
    ...(filter.exclude.length > 0 ? [`not ${isMember(filter.exclude)}`] : []),
  ];
}

function range(column: string, { beforeMs, afterMs }: TimeRange, params: Parameters): string[] {
  return [
    ...(beforeMs === null ? [] : [`${column} < ${params.add(beforeMs)}::bigint`]),
    ...(afterMs === null ? [] : [`${column} > ${params.add(afterMs)}::bigint`]),
  ];
}

/** Narrowed by the searched text as a whole, which is indexed, then looked for in the one field it must be in. */
function found(
  term: SearchTerm | null,
  inField: ((text: string) => string) | null,
  params: Parameters,
): string[] {
  if (!term) return [];
  const text = () => params.add(term.text);
  switch (term.kind) {
    case "trigrams":
      return [bothOf(`s.search like ${params.add(term.pattern)}`, inField ? inField(text()) : null)];
    case "rare":
      return [
        bothOf(hasGrams(term.grams, params), inField ? inField(text()) : inSearch(term.pattern, params)),
      ];
    case "common":
      return [inField ? inField(text()) : inSearch(term.pattern, params)];
  }
}

const bothOf = (one: string, other: string | null) => (other === null ? one : `${one} and ${other}`);

const hasGrams = (grams: readonly string[], params: Parameters) => `s.id in (
  select g.id from mirror_data.user_grams g where g.rare_grams @> ${params.texts(grams)})`;

/**
 * LIKE by its function's name, under which no plan can read the trigram index for it. It looks through two letters' worth
 * of users in half the time that `position` takes.
 */
const inSearch = (pattern: string, params: Parameters) => `textlike(s.search, ${params.add(pattern)})`;
