import { type Condition, conjuncts, type TextField } from "../condition.js";
import { isInArray, namesElements, namesOrganization } from "./elements.js";

/** Such conditions are met by a few users at most. */
export function namesUsers(condition: Condition): boolean {
  switch (condition.kind) {
    case "element":
      return namesElements(condition.list, condition.where);
    case "compare":
      return condition.operator === "in" && NAMING.has(condition.field);
    case "or":
      return condition.any.length > 0 && condition.any.every((one) => conjuncts(one).some(namesUsers));
    default:
      return false;
  }
}

const NAMING: ReadonlySet<TextField> = new Set(["id", "external_id", "username"] as const);
const INDEXED: ReadonlySet<TextField> = new Set([...NAMING, "first_name", "last_name"]);

/** Where an index finds those who meet a condition. `rows`: in a table with several rows of a user. */
type Place = "search" | "metadata" | "rows";

/**
 * Whether indexes know all who meet an `or`, but not one and the same table's: then Postgres has no way from these indexes to the
 * users, and looks at everybody.
 */
export function isSpreadOverIndexes(any: readonly Condition[]): boolean {
  const places = any.map(placeOf);
  return !places.includes(null) && (new Set(places).size > 1 || places.includes("rows"));
}

function placeOf(condition: Condition): Place | null {
  switch (condition.kind) {
    case "and": {
      const places = conjuncts(condition).map(placeOf);
      return places.find((place) => place !== null) ?? null;
    }
    case "or": {
      const places = condition.any.map(placeOf);
      return places.includes(null)
        ? null
        : (places.find((place) => place === "rows") ?? places[0] ?? "search");
    }
    case "metadata":
      return condition.test.operator === "in" || condition.test.operator === "has" ? "metadata" : null;
    case "compare":
      if (condition.operator === "eq") return condition.field === "locked" && condition.value ? "rows" : null;
      return condition.operator === "in" && INDEXED.has(condition.field) ? "search" : null;
    case "element": {
      const { list, where } = condition;
      if (isInArray(list, where)) return "search";
      return namesElements(list, where) || namesOrganization(list, where) ? "rows" : null;
    }
    default:
      return null;
  }
}
