/** A user as Clerk's API shows one, complete enough for everything the mirror derives. */
export function clerkUser(
  fields: Record<string, unknown> & { id: string },
): Record<string, unknown> & { id: string } {
  const { id } = fields;
  return {
    object: "user",
    external_id: null,
    primary_email_address_id: `idn_${id}`,
    primary_phone_number_id: null,
    primary_web3_wallet_id: null,
    username: null,
    first_name: "Ada",
    last_name: "Lovelace",
    image_url: "https://img.example/1",
    has_image: false,
    public_metadata: {},
    private_metadata: {},
    unsafe_metadata: {},
    email_addresses: [
      {
        id: `idn_${id}`,
        object: "email_address",
        email_address: `${id}@example.com`,
        reserved: false,
        verification: { status: "verified", strategy: "admin", attempts: null, expire_at: null },
        linked_to: [],
        created_at: 1,
        updated_at: 1,
      },
    ],
    phone_numbers: [],
    web3_wallets: [],
    passkeys: [],
    external_accounts: [],
    banned: false,
    locked: false,
    lockout_expires_in_seconds: null,
    password_enabled: true,
    two_factor_enabled: false,
    last_active_at: null,
    last_sign_in_at: null,
    created_at: 1000,
    updated_at: 1000,
    ...fields,
  };
}
