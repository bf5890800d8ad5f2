/**
 * Which users: what lists, counts, aggregates, exports, and whatever else speaks of some users filter by. Plain data, the
 * same for every language in which callers can ask: a parser makes it (`clerk-params.ts`, `language/`), and `compile.ts`
 * alone turns it into SQL.
 *
 * Values stand here as the caller wrote them; what folds case and what is exact is a property of the field. A condition
 * holds or doesn't hold, there is no third case: `not` keeps the users who have no value to compare.
 */
export type Condition =
  | And<Condition>
  | Or<Condition>
  | Not<Condition>
  | Compare
  | Present
  | Term
  | Metadata
  | Element;

/** Of none: everybody. */
export interface And<C> {
  kind: "and";
  all: readonly C[];
}

/** Of none: nobody. */
export interface Or<C> {
  kind: "or";
  any: readonly C[];
}

export interface Not<C> {
  kind: "not";
  condition: C;
}

/** A field that each user has once, or hasn't. `in` no values: nobody. */
export type Compare =
  | { kind: "compare"; field: TextField; operator: "in"; values: readonly string[] }
  | { kind: "compare"; field: FlagField; operator: "eq"; value: boolean }
  | CompareTime<TimeField>;

export type CompareTime<F> =
  | { kind: "compare"; field: F; operator: Bound; valueMs: number }
  | { kind: "compare"; field: F; operator: "among"; valuesMs: readonly number[] };

/** `name`: the first name, the last name, and `first last` where both are set; any of them. */
export type TextField = "id" | "external_id" | "username" | "first_name" | "last_name" | "name";
export const FLAG_FIELDS = [
  "banned",
  "locked",
  "two_factor_enabled",
  "password_enabled",
  "has_image",
] as const;
export type FlagField = (typeof FLAG_FIELDS)[number];
export const TIME_FIELDS = ["created_at", "updated_at", "last_active_at", "last_sign_in_at"] as const;
export type TimeField = (typeof TIME_FIELDS)[number];
export type Bound = "lt" | "lte" | "gt" | "gte";

/** The user has a value in this field: it is not null. Of fields with several values `element` with nothing to hold says so. */
export interface Present {
  kind: "present";
  field: TextField | TimeField;
}

/** The text is in one of the field's values in this way; case is folded. It is never empty. */
export interface Term {
  kind: "term";
  how: "contains" | "prefix" | "suffix" | "similar";
  field: TermField;
  text: string;
}

/** `any`: all that Clerk's `query` looks at. */
export type TermField =
  | "any"
  | "email"
  | "phone"
  | "wallet"
  | "username"
  | "first_name"
  | "last_name"
  | "name"
  | "id"
  | "external_id";

/** What stands at a path of a user's metadata. A path that leads nowhere has no value, like null there. */
export interface Metadata {
  kind: "metadata";
  object: MetadataObject;
  /** Keys of objects, outermost first; at least one. */
  path: readonly string[];
  test: MetadataTest;
}

export type MetadataObject = "public" | "unsafe" | "private";
export type MetadataScalar = string | number | boolean;

/** A number never equals a text. All but `has` speak of a value that stands at the path itself, never of an array's elements. */
export type MetadataTest =
  | { operator: "in"; values: readonly MetadataScalar[] }
  /** An array that has one of these as an element. */
  | { operator: "has"; values: readonly MetadataScalar[] }
  /** Numbers by size; texts by code points, exactly. A value of the other type meets none of them. */
  | { operator: Bound; value: number | string }
  /** A text that has this in it in this way; case is folded. */
  | { operator: "contains" | "prefix" | "suffix"; text: string }
  | { operator: "present" };

/** The user has an element in this list of which `where` holds. */
export interface Element {
  kind: "element";
  list: List;
  where: ElementCondition;
}

export type List = Identifiers | "membership";
export type Identifiers = "email" | "phone" | "wallet" | "account";

/** What holds of one and the same element; it names only fields that its list has. */
export type ElementCondition =
  | And<ElementCondition>
  | Or<ElementCondition>
  | Not<ElementCondition>
  | { kind: "compare"; field: ElementText; operator: "in"; values: readonly string[] }
  | { kind: "compare"; field: "verified" | "primary"; operator: "eq"; value: boolean }
  | CompareTime<"created_at">
  | { kind: "present"; field: ElementText | "created_at" }
  | { kind: "term"; how: "contains" | "prefix" | "suffix"; field: ElementText; text: string }
  /** Of a membership's own metadata. */
  | Metadata;

/**
 * `key`: the address, number or wallet itself, what `accountKey` makes of an account, the organization's id of a membership.
 * `domain`: of an e-mail address. `role`: of a membership. The others are an account's.
 */
export type ElementText = "key" | "domain" | "role" | "provider" | "provider_user_id" | "email_address";

export const isFlagField = (name: string): name is FlagField =>
  (FLAG_FIELDS as readonly string[]).includes(name);
export const isTimeField = (name: string): name is TimeField =>
  (TIME_FIELDS as readonly string[]).includes(name);

export const hasKey = (list: List, values: readonly string[]): Element => ({
  kind: "element",
  list,
  where: { kind: "compare", field: "key", operator: "in", values },
});

/** Whether there is nothing that has to hold. */
export const keepsEverybody = (condition: Condition) => conjuncts(condition).length === 0;

/** What has to hold, each by itself. */
export function conjuncts(condition: Condition): readonly Condition[] {
  return condition.kind === "and" ? condition.all.flatMap(conjuncts) : [condition];
}
