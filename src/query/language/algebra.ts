import type { And, Not, Or } from "../condition.js";

/** Conditions of users or of elements: leaves under `and`, `or` and `not`. */
export type Tree<L> = L | And<Tree<L>> | Or<Tree<L>> | Not<Tree<L>>;

/** Trees without what says nothing: however many empty conditions a filter has, each leaf stays one that was asked for. */
export const EVERYBODY: And<never> = { kind: "and", all: [] };
export const NOBODY: Or<never> = { kind: "or", any: [] };

export function allOf<L>(conditions: readonly Tree<L>[]): Tree<L> {
  if (conditions.some((condition) => isEmpty(condition, "or"))) return NOBODY;
  const all = conditions.filter((condition) => !isEmpty(condition, "and"));
  return only(all) ?? { kind: "and", all };
}

export function anyOf<L>(conditions: readonly Tree<L>[]): Tree<L> {
  if (conditions.some((condition) => isEmpty(condition, "and"))) return EVERYBODY;
  const any = conditions.filter((condition) => !isEmpty(condition, "or"));
  return only(any) ?? { kind: "or", any };
}

export function complement<L>(condition: Tree<L>): Tree<L> {
  if (isEmpty(condition, "and")) return NOBODY;
  if (isEmpty(condition, "or")) return EVERYBODY;
  return isKind(condition, "not") ? condition.condition : { kind: "not", condition };
}

const only = <T>(list: readonly T[]): T | undefined => (list.length === 1 ? list[0] : undefined);

export function isEmpty<L>(condition: Tree<L>, kind: "and" | "or"): boolean {
  if (isKind(condition, "and")) return kind === "and" && condition.all.length === 0;
  return kind === "or" && isKind(condition, "or") && condition.any.length === 0;
}

type Node<L> = And<Tree<L>> | Or<Tree<L>> | Not<Tree<L>>;

/** No leaf has one of these kinds. */
const isKind = <L, K extends Node<L>["kind"]>(
  condition: Tree<L>,
  kind: K,
): condition is Extract<Node<L>, { kind: K }> => (condition as { kind: string }).kind === kind;
