import { DEFAULT_LIMITS } from "../auth/limits.js";
import { SCOPES } from "../auth/scopes.js";
import { isScope, newKey } from "../auth/stored-keys.js";
import { type ApiKey, countApiKeysInUse, insertApiKey, listApiKeys, revokeApiKey } from "../db/api-keys.js";
import type { Orm } from "../db/connection/client.js";
import { AppError } from "../lib/errors.js";

/** A key as people see it, by the API, the CLI and the dashboard. Times are in milliseconds. */
export interface ShownKey {
  id: string;
  name: string;
  scopes: string[];
  /** Requests a second, and at a time, that each process lets through. */
  rate: number;
  in_flight: number;
  created_at: number;
  revoked_at: number | null;
  /** To the minute. Null: never, or before the mirror noted it. */
  last_used_at: number | null;
}

/** What somebody wants of a new key. Null: the default. */
export interface WantedKey {
  name: string;
  scopes: readonly string[];
  rate: number | null;
  inFlight: number | null;
}

/** No space at an end, which nobody sees, and no key's id: who revokes by id would revoke another key with it. */
const NAME = /^(?! |key_[0-9a-f]{16}$)[\w .:@-]{1,100}(?<! )$/;
const MOST_LIMIT = 9_999_999;
/** More than applications have, few enough to be listed whole. */
const MOST_IN_USE = 1000;

/** Makes a key; it can't be shown again. Throws `invalid_request`, naming the member, or `conflict` where the name or too many keys are in use. */
export async function createKey(
  orm: Orm,
  { name, scopes: wanted, rate, inFlight }: WantedKey,
): Promise<{ id: string; name: string; scopes: string[]; rate: number; in_flight: number; key: string }> {
  const scopes = [...new Set(wanted)];
  const unknown = scopes.filter((scope) => !isScope(scope));
  if (unknown.length > 0 || scopes.length === 0)
    throw wrong("scopes", `${unknown.join(", ") || "nothing"} is no scope. There are: ${SCOPES.join(", ")}.`);
  if (!NAME.test(name))
    throw wrong(
      "name",
      "The name takes 1 to 100 letters, digits, spaces (not at its ends) and _ . : @ -, and is no key's id.",
    );
  for (const [member, limit] of Object.entries({ rate, in_flight: inFlight })) {
    if (limit !== null && !(Number.isInteger(limit) && limit >= 1 && limit <= MOST_LIMIT))
      throw wrong(member, `${member} is a whole number from 1 to ${MOST_LIMIT}.`);
  }
  // Several at once may pass a little beyond it.
  if ((await countApiKeysInUse(orm)) >= MOST_IN_USE)
    throw new AppError("conflict", `${MOST_IN_USE} keys are in use. Revoke those that nobody needs first.`);
  const { key, id, digest } = newKey();
  if (!(await insertApiKey(orm, { id, name, digest, scopes, rate, inFlight }))) {
    throw new AppError("conflict", `A key named ${name} is in use. Revoke it first, or choose another name.`);
  }
  return { id, name, scopes, ...limitsOf({ rate, inFlight }), key };
}

/** The newest first, revoked ones included. */
export const listKeys = async (orm: Orm): Promise<ShownKey[]> => (await listApiKeys(orm)).map(shown);

/** Ends a key; every process refuses it within a second. Null if none in use has this id or name. */
export async function revokeKey(orm: Orm, idOrName: string): Promise<ShownKey | null> {
  const revoked = await revokeApiKey(orm, idOrName);
  return revoked && shown(revoked);
}

/** The limits that apply to a key: its own, or the defaults. */
const limitsOf = ({ rate, inFlight }: Pick<ApiKey, "rate" | "inFlight">) => ({
  rate: rate ?? DEFAULT_LIMITS.rate,
  in_flight: inFlight ?? DEFAULT_LIMITS.inFlight,
});

const shown = ({
  id,
  name,
  scopes,
  createdAtMs,
  revokedAtMs,
  lastUsedAtMs,
  ...limits
}: ApiKey): ShownKey => ({
  ...{ id, name, scopes, ...limitsOf(limits) },
  ...{ created_at: createdAtMs, revoked_at: revokedAtMs, last_used_at: lastUsedAtMs },
});

const wrong = (member: string, longMessage: string) =>
  new AppError("invalid_request", "is invalid", { longMessage, meta: { param_name: member } });
