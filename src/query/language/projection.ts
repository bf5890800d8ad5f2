import type { Scope } from "../../auth/scopes.js";
import { FIELD_NAMES, type Projected } from "../field.js";
import { parseFieldRef, speaksOfMetadata } from "./paths.js";
import { itemPath, nearest, problem, shown } from "./problems.js";

export const MOST_FIELDS = 100;

/** The members of Clerk's user, by its API's description. */
const MEMBERS = [
  ...["object", "id", "external_id", "username", "first_name", "last_name", "locale"],
  ...["image_url", "profile_image_url", "has_image"],
  ...["primary_email_address_id", "primary_phone_number_id", "primary_web3_wallet_id"],
  ...["email_addresses", "phone_numbers", "web3_wallets", "passkeys"],
  ...["external_accounts", "saml_accounts", "enterprise_accounts", "organization_memberships"],
  ...["public_metadata", "private_metadata", "unsafe_metadata", "scim"],
  ...["password_enabled", "password_last_updated_at", "requires_password_reset"],
  ...["two_factor_enabled", "totp_enabled", "backup_code_enabled", "mfa_enabled_at", "mfa_disabled_at"],
  ...["banned", "locked", "deprovisioned", "lockout_expires_in_seconds", "verification_attempts_remaining"],
  ...["created_at", "updated_at", "last_active_at", "last_sign_in_at", "legal_accepted_at"],
  ...[
    "delete_self_enabled",
    "create_organization_enabled",
    "create_organizations_limit",
    "bypass_client_trust",
  ],
];
const KNOWN = [
  ...new Set([...MEMBERS, ...FIELD_NAMES]),
  ...["public_metadata.<path>", "unsafe_metadata.<path>", "private_metadata.<path>"],
];

/**
 * The entries of `fields`, each once. A member of Clerk's user is shown as it is, also where a field has the same name;
 * `private_metadata` as a whole is one too, which is null to who lacks the scope. Naming a path in it without the scope is refused.
 */
export function parseFields(
  given: unknown,
  scopes: ReadonlySet<Scope>,
  path = "fields",
): readonly Projected[] {
  if (!Array.isArray(given)) throw problem(path, `must be an array of fields, not ${shown(given)}.`);
  if (given.length === 0 || given.length > MOST_FIELDS) {
    throw problem(path, `must have from 1 to ${MOST_FIELDS} fields.`);
  }
  const seen = new Set<string>();
  return given.flatMap((name, n) => {
    const at = itemPath(path, n);
    if (typeof name !== "string") throw problem(at, `must be a text, not ${shown(name)}.`);
    if (seen.has(name)) return [];
    seen.add(name);
    return [parseEntry(name, scopes, at)];
  });
}

function parseEntry(name: string, scopes: ReadonlySet<Scope>, at: string): Projected {
  if (MEMBERS.includes(name)) return { kind: "member", name };
  if (speaksOfMetadata(name) || FIELD_NAMES.some((known) => known === name))
    return parseFieldRef(name, scopes, at);
  throw problem(
    at,
    `is neither a field nor a member of Clerk's user: ${shown(name)}. ${nearest(name, KNOWN)}`,
  );
}
