import type { Scope } from "../../auth/scopes.js";
import { sqlText } from "../../lib/text.js";
import type { Projected } from "../field.js";
import { parseBody } from "./json-text.js";
import { itemPath, problem, shown } from "./problems.js";
import { parseFields } from "./projection.js";

export const LOOKUP_KEYS = [
  "id",
  "email_address",
  "phone_number",
  "username",
  "web3_wallet",
  "external_id",
] as const;

/** Users who are asked for by what names each of them. */
export interface LookupRequest {
  by: (typeof LOOKUP_KEYS)[number];
  /** As Postgres can hold them. */
  keys: readonly string[];
  /** Null: users as they are. */
  fields: readonly Projected[] | null;
}

export const MOST_KEYS = 1000;

/** From the body of `POST /mirror/users/lookup`. */
export function parseLookup(text: string, scopes: ReadonlySet<Scope>): LookupRequest {
  const body = parseBody(text, { names: ["by", "keys", "fields"], large: ["keys"] });
  const given = body.get("by");
  const by = LOOKUP_KEYS.find((known) => known === given);
  if (!by) throw problem("by", `must be one of ${LOOKUP_KEYS.join(", ")}, not ${shown(given)}.`);
  const keys = keysOf(body.get("keys"));
  const fields = body.get("fields") ?? null;
  return { by, keys, fields: fields === null ? null : parseFields(fields, scopes) };
}

function keysOf(given: unknown): string[] {
  if (!Array.isArray(given)) throw problem("keys", `must be an array of texts, not ${shown(given)}.`);
  if (given.length > MOST_KEYS)
    throw problem("keys", `must have at most ${MOST_KEYS} keys, not ${given.length}.`);
  return given.map((key, n) => {
    if (typeof key === "string") return sqlText(key);
    throw problem(itemPath("keys", n), `must be a text, not ${shown(key)}.`);
  });
}
