import type { Random } from "./random.js";
import type { EmailAddress, ExternalAccount, Json, PhoneNumber, Web3Wallet } from "./types.js";

/** The parts of a user that have ids of their own, as the API shows them. */
export function makeEmail(random: Random, address: string, at: number, reserved = false): EmailAddress {
  return {
    id: `idn_${random.token(27)}`,
    object: "email_address",
    email_address: address,
    reserved,
    verification: reserved ? null : { ...ADMIN },
    linked_to: [],
    matches_sso_connection: false,
    created_at: at,
    updated_at: at,
  };
}

export function makePhone(random: Random, number: string, at: number, reserved = false): PhoneNumber {
  return {
    id: `idn_${random.token(27)}`,
    object: "phone_number",
    phone_number: number,
    reserved_for_second_factor: false,
    default_second_factor: false,
    reserved,
    verification: reserved ? null : { ...ADMIN },
    linked_to: [],
    backup_codes: null,
    created_at: at,
    updated_at: at,
  };
}

export function makeWallet(random: Random, wallet: string, at: number): Web3Wallet {
  return {
    id: `idn_${random.token(27)}`,
    object: "web3_wallet",
    web3_wallet: wallet,
    verification: {
      object: "verification_web3",
      status: "verified",
      strategy: "web3_metamask_signature",
      nonce: null,
      message: null,
      attempts: null,
      expire_at: null,
    },
    created_at: at,
    updated_at: at,
  };
}

export function makeAccount(
  random: Random,
  account: { provider: string; providerUserId: string; email: string; firstName: string; lastName: string },
  at: number,
): ExternalAccount {
  return {
    object: "external_account",
    id: `eac_${random.token(27)}`,
    provider: account.provider,
    identification_id: `idn_${random.token(27)}`,
    provider_user_id: account.providerUserId,
    approved_scopes: "email profile",
    email_address: account.email,
    email_address_verified: true,
    first_name: account.firstName,
    last_name: account.lastName,
    image_url: "https://img.clerk.example/account",
    username: null,
    phone_number: null,
    public_metadata: {},
    label: null,
    created_at: at,
    updated_at: at,
    verification: {
      object: "verification_oauth",
      status: "verified",
      strategy: account.provider,
      attempts: null,
      expire_at: at + 600_000,
    },
  };
}

export function makePasskey(random: Random, at: number): Json & { id: string } {
  return {
    id: `idn_${random.token(27)}`,
    object: "passkey",
    name: "Passkey",
    last_used_at: at,
    verification: {
      object: "verification_passkey",
      status: "verified",
      strategy: "passkey",
      attempts: null,
      expire_at: null,
    },
  };
}

const ADMIN = {
  object: "verification_admin",
  status: "verified",
  strategy: "admin",
  attempts: null,
  expire_at: null,
};
