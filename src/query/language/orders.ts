import type { Scope } from "../../auth/scopes.js";
import type { FieldName, FieldRef, OrderKey } from "../field.js";
import { parseFieldRef } from "./paths.js";
import { itemPath, problem, shown } from "./problems.js";

/** Every further key makes the condition of the next page longer. */
export const MOST_ORDERS = 10;

export const DEFAULT_ORDER: readonly string[] = ["-created_at"];

/** What Clerk's lists call a field that is named otherwise here. */
const ALIASES = new Map([["web3wallet", "web3_wallet"]]);

/** Of these a user can have several values, and none of them is the primary one. */
const WITHOUT_PRIMARY: ReadonlySet<FieldName> = new Set(["provider", "organization_id", "organization_role"]);

/**
 * The keys of an order, each with a sign: none and `+` ascend. The last is always the id, in the direction of the last that was
 * given where it isn't asked for. A key that stands twice, and whatever comes after the id, decides nothing and is left out.
 * `filter`: as it was given, and accepted.
 */
export function parseOrders(
  given: unknown,
  filter: unknown,
  scopes: ReadonlySet<Scope>,
  path = "order_by",
): readonly OrderKey[] {
  if (!Array.isArray(given)) throw problem(path, `must be an array of fields, not ${shown(given)}.`);
  if (given.length > MOST_ORDERS) throw problem(path, `must have at most ${MOST_ORDERS} fields.`);
  const names = given.length > 0 ? given : DEFAULT_ORDER;
  const keys = names.map((name, n) => parseKey(name, filter, scopes, itemPath(path, n)));
  const orders: OrderKey[] = [];
  for (const key of keys) {
    if (!orders.some((earlier) => nameOf(earlier) === nameOf(key))) orders.push(key);
    if (nameOf(key) === nameOf(BY_ID)) return orders;
  }
  return [...orders, { ...BY_ID, descending: keys.at(-1)?.descending ?? false }];
}

const BY_ID = { by: { kind: "field", name: "id" }, descending: false } as const satisfies OrderKey;

function nameOf({ by }: OrderKey): string {
  if (by === "score") return by;
  return by.kind === "field" ? `.${by.name}` : JSON.stringify([by.object, ...by.path]);
}

function parseKey(given: unknown, filter: unknown, scopes: ReadonlySet<Scope>, at: string): OrderKey {
  if (typeof given !== "string") throw problem(at, `must be a text, not ${shown(given)}.`);
  // A + that the sender of a link forgot to escape arrives as a space.
  const [, sign, name = ""] = /^([ +-]?)(.*)$/s.exec(given) ?? [];
  const descending = sign === "-";
  if (name === "_score") {
    if (asksForSimilar(filter)) return { by: "score", descending };
    throw problem(at, "ranks by the similar of a filter, and this filter has none.");
  }
  const by = parseFieldRef(ALIASES.get(name) ?? name, scopes, at);
  if (!hasNoPrimary(by)) return { by, descending };
  throw problem(at, `can't be ${shown(name)}: a user can have several, and none of them is the primary one.`);
}

const hasNoPrimary = (by: FieldRef) => by.kind === "field" && WITHOUT_PRIMARY.has(by.name);

/** In a filter that was accepted nothing else is named so. It may ask for it where that changes nothing: beside `or: []`. */
function asksForSimilar(filter: unknown): boolean {
  if (typeof filter !== "object" || filter === null) return false;
  return Object.hasOwn(filter, "similar") || Object.values(filter).some(asksForSimilar);
}
