/** What a rule is about. */
export type PolicyKind = "user" | "organization" | "membership";

const METADATA = ["public_metadata", "private_metadata"];

/** The members of Clerk's objects, so that a misspelled rule is noticed. Those that a rule may not touch stand in `KEPT_MEMBERS`. */
export const MEMBERS: Readonly<Record<PolicyKind, ReadonlySet<string>>> = {
  user: new Set(
    [
      "external_id primary_email_address_id primary_phone_number_id primary_web3_wallet_id username first_name last_name locale",
      "profile_image_url image_url has_image unsafe_metadata email_addresses phone_numbers web3_wallets passkeys",
      "password_enabled two_factor_enabled totp_enabled backup_code_enabled mfa_enabled_at mfa_disabled_at",
      "password_last_updated_at external_accounts saml_accounts enterprise_accounts organization_memberships last_sign_in_at",
      "banned locked deprovisioned lockout_expires_in_seconds verification_attempts_remaining delete_self_enabled",
      "create_organization_enabled create_organizations_limit last_active_at legal_accepted_at bypass_client_trust scim",
    ]
      .join(" ")
      .split(" ")
      .concat(METADATA),
  ),
  organization: new Set(
    [
      "name slug image_url has_image members_count missing_member_with_elevated_permissions pending_invitations_count",
      "max_allowed_memberships admin_delete_enabled created_by last_active_at role_set_key",
    ]
      .join(" ")
      .split(" ")
      .concat(METADATA),
  ),
  membership: new Set(["role", "role_name", "permissions", "public_user_data", ...METADATA]),
};

/** What the mirror can't do without: which object it is, how old, and whose. */
export const KEPT_MEMBERS: ReadonlySet<string> = new Set([
  ...["id", "object", "created_at", "updated_at", "organization", "public_user_data", "user_id"],
]);

/** Members that hold others, which a rule must name to hash them. */
export const CONTAINERS: ReadonlySet<string> = new Set([
  ...["email_addresses", "phone_numbers", "web3_wallets", "passkeys", "external_accounts", "saml_accounts"],
  ...["enterprise_accounts", "organization_memberships", "scim", "unsafe_metadata", ...METADATA],
]);

/** What a membership repeats of its user. */
export const COPIED_MEMBERS: ReadonlySet<string> = new Set([
  ...[
    "first_name",
    "last_name",
    "username",
    "image_url",
    "profile_image_url",
    "has_image",
    "banned",
    "deprovisioned",
  ],
]);
