import type { OrderBy } from "./order.js";
import type { SortKey } from "./order-keys.js";
import type { PageRequest } from "./page.js";
import type { Traits } from "./where.js";

/** How a statement is run. `run.ts` does what is decided here. */
export type Strategy = Lookup | Guess | Thorough;

/**
 * Brings few rows, by what is indexed. It runs on the pool for such reads, together with others that differ only in
 * values.
 */
export interface Lookup {
  how: "lookup";
  /** Its plan is kept, because it is as good for all values, and planning takes longer than running. */
  isCommon: boolean;
}

/**
 * Runs with the plan that Postgres thinks best for these values, and is given up when its time is over. Postgres
 * expects matches to be spread evenly over every order. Where they aren't, a page that should take milliseconds takes
 * seconds.
 */
export interface Guess {
  how: "guess";
  /** The slowest long page that guesses right takes 130 ms. `few`: enough to gather a thousand users. */
  limit: "few" | "short page" | "long page" | "long walk";
  prepare: boolean;
  /** What is run if the guess was wrong. `gathered`: the same, compiled again so that all who match are gathered by indexes. */
  otherwise: "patiently" | "gathered";
}

/**
 * For statements that take their time. `without order`: never reads an order's index. All matches are read and then
 * ordered, which costs the same however they are spread. `as asked`: whoever asks decides what it costs, so it is ended after ten
 * seconds and refused as `query_too_expensive`; `by similarity`: the same, and nothing is read from end to end, since Postgres
 * takes comparing trigrams for cheap, and knows little about how many are similar.
 */
export interface Thorough {
  how: "patiently" | "without order" | "as asked" | "by similarity";
}

/** Up to this many rows, including those before the page, a page has to be quick. */
const SHORT_PAGE = 20;

/** A user found by a piece takes 4 µs, a user scanned 0.1 µs: beyond this share, scanning all is faster. */
export const MOST_BY_PIECES = 1 / 40;

/**
 * The same for a page, which is read in its order until it is full. The more users have the pieces, the sooner that happens, and the longer
 * reading all of them by the index takes. Walking an order takes a third of that for each user, or as long where the order stands in
 * another table than the text (`isBeside`).
 */
export function mostByPiecesOfPage({ offset, limit }: Slice, users: number, isBeside: boolean): number {
  return Math.sqrt((offset + limit) / ((isBeside ? 1 : 3) * Math.max(1, users)));
}

type Slice = Pick<PageRequest, "offset" | "limit">;

/**
 * Terms of one or two letters match almost everywhere, if only because of ids: they are scanned for in the page's
 * order, and there is no other way. Terms with pieces that many users have are tried like that first.
 */
export function pageStrategy(traits: Traits, request: Slice & Pick<PageRequest, "orderBy">): Strategy {
  const isCommon = isCommonPage(traits, request.orderBy);
  if (traits.few) return { how: "lookup", isCommon };
  if (traits.terms === "by looking" && !traits.hasCommonPieces) return { how: "patiently" };
  return guess(traits, request.offset + request.limit, isCommon);
}

export function guess(
  { terms, hasCommonPieces }: Pick<Traits, "terms" | "hasCommonPieces">,
  rows: number,
  prepare: boolean,
): Guess {
  const long = terms === null ? "long walk" : "long page";
  return {
    how: "guess",
    limit: rows > SHORT_PAGE ? long : "short page",
    prepare,
    otherwise: hasCommonPieces || terms === "by index" ? "gathered" : "patiently",
  };
}

/** How a page of a walk is found. */
export interface WalkStrategy {
  /** Before anything else: those who match, gathered from several indexes, in case they are few. Null: not tried. */
  gathered: Guess | null;
  /** In whatever way Postgres thinks best; null: not tried. */
  first: Lookup | Guess | null;
  /** If its time is over, or it wasn't tried. */
  otherwise: "as asked" | "by similarity";
  /**
   * Then all who match are found before they are put in order. Not where no index has that order: all are looked at anyway, and
   * several processes put their shares of them in order at the same time.
   */
  isAllFirst: boolean;
}

/** `total`: how many match, if that is known already. */
export function walkStrategy(
  traits: Traits,
  keys: readonly SortKey[],
  { limit, total, users }: { limit: number; total: number | null; users: number },
): WalkStrategy {
  const unguessed = { gathered: null, first: null };
  if (traits.similarities.length > 0) return { ...unguessed, otherwise: "by similarity", isAllFirst: true };
  const isAllFirst = keys[0]?.ordered === true;
  const asAsked: WalkStrategy = { ...unguessed, otherwise: "as asked", isAllFirst };
  if (traits.few) return { ...asAsked, first: { how: "lookup", isCommon: false } };
  if (!isAllFirst || isSoonGathered(total, limit, users)) return asAsked;
  const first = guess({ terms: traits.terms, hasCommonPieces: false }, limit, false);
  return { ...asAsked, gathered: traits.spread ? { ...first, limit: "few" } : null, first };
}

/** Walking along an order until a page is full passes so many users that finding all who match costs less. */
const isSoonGathered = (total: number | null, limit: number, users: number) =>
  total !== null && total * total < limit * users;

/** For a page whose guess was wrong, compiled again. If what it asks for is too common even so, no index helps. */
export function gatheredPageStrategy({ hasCommonPieces }: Traits): Strategy {
  return { how: hasCommonPieces ? "without order" : "patiently" };
}

/** A count looks at all matches, and there is only one way to do that. */
export function countStrategy({ few, size }: Traits): Strategy {
  return few ? { how: "lookup", isCommon: size <= 1 } : { how: "patiently" };
}

/**
 * Whether the statement is one of the hundred or so that may stay with a connection: any order of everybody, or one
 * comparison in the order of creation. Each that stays holds 50 to 200 KB of its server process for as long as that lives,
 * and combinations of filters and orders are more than anybody can count.
 */
const isCommonPage = ({ size }: Traits, { field }: OrderBy): boolean =>
  size === 0 || (size === 1 && field === "created_at");
