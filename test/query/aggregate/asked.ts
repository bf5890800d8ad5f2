import type { Scope } from "../../../src/auth/scopes.js";
import { AppError } from "../../../src/lib/errors.js";
import type { FilterContext } from "../../../src/query/language/json-filter.js";

/** What reads a body, asked by a key with these scopes; and how it refuses one: the code, and the parameter or the scope. */
export function asked<T>(read: (text: string, context: FilterContext) => T) {
  const parse = (body: unknown, scopes: Scope[] = ["users:read"]) =>
    read(JSON.stringify(body), { nowMs: 1_800_000_000_000, scopes: new Set(scopes) });

  function refusalOf(body: unknown, scopes?: Scope[]) {
    try {
      parse(body, scopes);
    } catch (error) {
      if (error instanceof AppError) return [error.code, error.meta?.param_name ?? error.meta?.scope];
    }
    return null;
  }

  return { parse, refusalOf };
}
