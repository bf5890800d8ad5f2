import type { Random } from "../../src/sandbox/world/random.js";
import type { Name } from "./names.js";
import { digits, hex } from "./random.js";

// The parts of a person that have ids of their own, as Clerk's API shows them.

const COUNTRIES = ["+447", "+447", "+4915", "+336", "+9198", "+55119"] as const;

/**
 * A number that nobody else has: `n` is multiplied by a factor that shares no divisor with how many numbers there
 * are.
 */
export function phoneNumber(random: Random, n: number): string {
  const own = (length: number) => String((n * 15_485_863) % 10 ** length).padStart(length, "0");
  // There are only ten million numbers behind +1555.
  return n < 1e7 && random.chance(0.7) ? `+1555${own(7)}` : random.pick(COUNTRIES) + own(9);
}

export function makePhone(random: Random, number: string, at: number) {
  return {
    id: `idn_${random.token(27)}`,
    object: "phone_number",
    phone_number: number,
    reserved_for_second_factor: random.chance(0.05),
    default_second_factor: false,
    reserved: false,
    verification: {
      object: "verification_otp",
      status: random.chance(0.95) ? "verified" : "unverified",
      strategy: "phone_code",
      attempts: 1,
      expire_at: at + 600_000,
      verified_at_client: null,
    },
    linked_to: [],
    backup_codes: null,
    created_at: at,
    updated_at: at + random.int(60_000),
  };
}

type Account = ReturnType<typeof makeAccount>;

export function makeEmail(random: Random, address: string, account: Account | null, at: number) {
  return {
    id: `idn_${random.token(27)}`,
    object: "email_address",
    email_address: address,
    reserved: false,
    verification: account
      ? {
          object: "verification_from_oauth",
          status: "verified",
          strategy: `from_${account.provider}`,
          attempts: null,
          expire_at: null,
          verified_at_client: null,
        }
      : {
          object: "verification_otp",
          status: random.chance(0.96) ? "verified" : "unverified",
          strategy: "email_code",
          attempts: 1,
          expire_at: at + 600_000,
          verified_at_client: null,
        },
    linked_to: account ? [{ type: account.provider, id: account.identification_id }] : [],
    matches_sso_connection: false,
    created_at: at,
    updated_at: at + random.int(60_000),
  };
}

const PROVIDERS = [
  "oauth_google",
  "oauth_google",
  "oauth_google",
  "oauth_github",
  "oauth_microsoft",
] as const;

export function makeAccount(
  random: Random,
  address: string | undefined,
  first: Name | null,
  last: Name | null,
  at: number,
) {
  const provider = random.pick(PROVIDERS);
  return {
    object: "external_account",
    id: `eac_${random.token(27)}`,
    provider,
    identification_id: `idn_${random.token(27)}`,
    provider_user_id: `1${digits(random, 20)}`,
    approved_scopes: "email https://www.googleapis.com/auth/userinfo.email openid profile",
    email_address: address ?? "",
    email_address_verified: true,
    first_name: first?.text ?? "",
    last_name: last?.text ?? "",
    image_url: `https://img.clerk.com/${random.token(60)}`,
    username: null,
    phone_number: null,
    public_metadata: {},
    label: null,
    created_at: at,
    updated_at: at,
    verification: {
      object: "verification_oauth",
      status: "verified",
      strategy: provider,
      attempts: null,
      expire_at: at + 600_000,
      verified_at_client: null,
    },
  };
}

export function makeWallet(random: Random, at: number) {
  return {
    id: `idn_${random.token(27)}`,
    object: "web3_wallet",
    web3_wallet: `0x${hex(random, 40)}`,
    verification: {
      object: "verification_web3",
      status: "verified",
      strategy: "web3_metamask_signature",
      nonce: `0x${hex(random, 16)}`,
      message: null,
      attempts: 1,
      expire_at: at + 600_000,
      verified_at_client: null,
    },
    created_at: at,
    updated_at: at,
  };
}

export function makePasskey(random: Random, at: number) {
  return {
    id: `idn_${random.token(27)}`,
    object: "passkey",
    name: "iCloud Keychain",
    last_used_at: at,
    verification: {
      object: "verification_passkey",
      status: "verified",
      strategy: "passkey",
      nonce: null,
      message: null,
      attempts: 1,
      expire_at: at + 600_000,
      verified_at_client: null,
    },
  };
}
