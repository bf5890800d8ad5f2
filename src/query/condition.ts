/**
 * Which users: what lists, counts, and whatever else speaks of some users filter by. Plain data, the same for every
 * language in which callers can ask: a parser makes it (`clerk-params.ts`), and `compile.ts` alone turns it into SQL.
 *
 * Values stand here as the caller wrote them; what folds case and what is exact is a property of the field. A condition
 * holds or doesn't hold, there is no third case: `not` keeps the users who have no value to compare.
 */
export type Condition = And | Or | Not | Compare | Contains | Element;

/** Of none: everybody. */
interface And {
  kind: "and";
  all: readonly Condition[];
}

/** Of none: nobody. */
interface Or {
  kind: "or";
  any: readonly Condition[];
}

interface Not {
  kind: "not";
  condition: Condition;
}

/** A field that each user has once, or hasn't. `in` no values: nobody. */
export type Compare =
  | { kind: "compare"; field: TextField; operator: "in"; values: readonly string[] }
  | { kind: "compare"; field: FlagField; operator: "eq"; value: boolean }
  | { kind: "compare"; field: TimeField; operator: Bound; valueMs: number };

export type TextField = "id" | "external_id" | "username";
export type FlagField = "banned";
export type TimeField = "created_at" | "last_active_at" | "last_sign_in_at";
export type Bound = "lt" | "gt" | "gte";

/** The text is part of one of the field's values; case is folded. `any`: of all that Clerk's `query` looks at. */
export interface Contains {
  kind: "contains";
  field: "any" | "email" | "phone" | "username" | "name";
  text: string;
}

/** The user has an element in this list for which `where` holds. */
export interface Element {
  kind: "element";
  list: Identifiers | "membership";
  where: ElementCondition;
}

export type Identifiers = "email" | "phone" | "wallet" | "account";

/** What holds of one and the same element. */
export type ElementCondition = KeyIn;

/** The address or number itself, what `accountKey` makes of an account, or the organization's id of a membership. */
interface KeyIn {
  kind: "compare";
  field: "key";
  operator: "in";
  values: readonly string[];
}

export const hasKey = (list: Element["list"], values: readonly string[]): Element => ({
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
