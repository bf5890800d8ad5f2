import type { Random } from "../src/sandbox/random.js";
import { emailAddresses, FIRST_NAMES, LAST_NAMES, type Name, usernameOf } from "./names.js";

type Json = Record<string, unknown>;

export const DAY_MS = 86_400_000;
/** Everything happened before this day began: what is filtered by "the last 30 days" is found whenever it runs. */
export const TODAY_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS;
const FIVE_YEARS_MS = 5 * 365 * DAY_MS;

/**
 * The n-th person, the same on every day but for the dates: who is searched for is as common among these as in a
 * directory of real people, and what Clerk would tell about them as long.
 */
export function makePerson(n: number) {
  const random = randomOf(n);
  const id = `user_2${random.token(26)}`;
  const first = random.chance(0.99) ? FIRST_NAMES(random.next()) : null;
  const last = random.chance(0.99) ? LAST_NAMES(random.next()) : null;
  const createdAt = TODAY_MS - 1 - random.int(FIVE_YEARS_MS);
  const since = (at: number) => at + random.int(TODAY_MS - at);
  const phones = random.chance(0.5) ? [makePhone(random, phoneNumber(random, n), createdAt)] : [];
  const addresses = emailAddresses(random, first, last, phones.length > 0);
  const account = random.chance(0.38) ? makeAccount(random, addresses[0], first, last, createdAt) : null;
  const emails = addresses.map((address, index) =>
    makeEmail(random, address, index === 0 ? account : null, createdAt),
  );
  const wallets = random.chance(0.1) ? [makeWallet(random, createdAt)] : [];
  const hasTotp = random.chance(0.08);
  const hasPassword = !account || random.chance(0.3);
  const imageUrl = imageUrlOf(random, id, account?.provider ?? null);
  const changedAt = since(createdAt);
  return {
    id,
    object: "user",
    username: random.chance(0.4) ? usernameOf(random, first, last) : null,
    first_name: first?.text ?? null,
    last_name: last?.text ?? null,
    locale: random.chance(0.3) ? "en-US" : null,
    profile_image_url: imageUrl,
    image_url: imageUrl,
    has_image: account !== null,
    primary_email_address_id: emails[0]?.id ?? null,
    primary_phone_number_id: phones[0]?.id ?? null,
    primary_web3_wallet_id: wallets[0]?.id ?? null,
    password_enabled: hasPassword,
    two_factor_enabled: hasTotp,
    totp_enabled: hasTotp,
    backup_code_enabled: hasTotp && random.chance(0.7),
    email_addresses: emails,
    phone_numbers: phones,
    web3_wallets: wallets,
    passkeys: random.chance(0.05) ? [makePasskey(random, createdAt)] : [],
    external_accounts: account ? [account] : [],
    saml_accounts: [],
    enterprise_accounts: [],
    password_last_updated_at: hasPassword ? createdAt : null,
    public_metadata: publicMetadata(random, n),
    private_metadata: random.chance(0.4) ? privateMetadata(random) : {},
    unsafe_metadata: random.chance(0.5) ? { theme: "dark", onboarded: true, step: random.int(9) } : {},
    external_id: random.chance(0.6) ? `ext_${n}` : null,
    last_sign_in_at: random.chance(0.85) ? recently(random, createdAt) : null,
    banned: random.chance(0.02),
    locked: random.chance(0.005),
    deprovisioned: false,
    lockout_expires_in_seconds: null,
    verification_attempts_remaining: 100,
    created_at: createdAt,
    updated_at: changedAt,
    delete_self_enabled: true,
    create_organization_enabled: true,
    create_organizations_limit: null,
    last_active_at: random.chance(0.8) ? startOfDay(recently(random, createdAt)) : null,
    mfa_enabled_at: hasTotp ? changedAt : null,
    mfa_disabled_at: null,
    legal_accepted_at: random.chance(0.5) ? createdAt : null,
    bypass_client_trust: false,
  };
}

/** Most people were here last not long ago. */
function recently(random: Random, createdAt: number): number {
  return TODAY_MS - 1 - Math.floor((TODAY_MS - 1 - createdAt) * random.next() ** 3);
}

function startOfDay(at: number): number {
  return at - (at % DAY_MS);
}

const COUNTRIES = ["+447", "+447", "+4915", "+336", "+9198", "+55119"] as const;

/** Nobody else's: multiplied by what shares no factor with how many there are. */
function phoneNumber(random: Random, n: number): string {
  const own = (length: number) => String((n * 15_485_863) % 10 ** length).padStart(length, "0");
  // There are only ten million numbers behind +1555.
  return n < 1e7 && random.chance(0.7) ? `+1555${own(7)}` : random.pick(COUNTRIES) + own(9);
}

function makePhone(random: Random, number: string, at: number) {
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

function makeEmail(random: Random, address: string, account: Account | null, at: number) {
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

function makeAccount(
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

function makeWallet(random: Random, at: number) {
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

function makePasskey(random: Random, at: number) {
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

/** Clerk's pictures are named by what they show, in base64. */
function imageUrlOf(random: Random, id: string, provider: string | null): string {
  const shown = provider
    ? `{"type":"proxy","src":"https://images.clerk.dev/${provider}/img_2${random.token(26)}"}`
    : `{"type":"default","iid":"ins_2f8kTq0mVw4ZpYc7RbN1sHdJgXe","rid":"${id}","initials":"AB"}`;
  return `https://img.clerk.com/${Buffer.from(shown).toString("base64url")}`;
}

const CITIES = ["Berlin", "London", "Paris", "New York", "Toronto", "Madrid", "Oslo", "Mumbai"] as const;
const ROLES = ["member", "member", "member", "editor", "admin"] as const;

function publicMetadata(random: Random, n: number): Json {
  const at = random.next();
  const plan = at < 0.6 ? "free" : at < 0.89 ? "pro" : "enterprise";
  return {
    plan,
    seats: plan === "free" ? 1 : 1 + random.int(50),
    roles: random.chance(0.1) ? ["admin", "billing"] : [random.pick(ROLES)],
    city: random.pick(CITIES),
    cohort: n % 97,
    ...(random.chance(0.35) && {
      preferences: { newsletter: random.chance(0.5), digest: "weekly", timezone: "Europe/Berlin" },
    }),
  };
}

function privateMetadata(random: Random): Json {
  return { stripe_id: `cus_${random.token(14)}`, score: random.int(1000) / 10, source: "import" };
}

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PAIRS = Array.from(ALPHABET, (one) => Array.from(ALPHABET, (other) => one + other)).flat();

/**
 * sfc32, begun with `n` and `kind`: nobody is dealt what another one is. The stand-in's generator runs into another's
 * numbers after a few millions of seeds, and strangers have to stay strangers.
 */
export function randomOf(n: number, kind = 0): Random {
  let a = n | 0;
  let b = kind | 0;
  let c = 0x1f83d9ab;
  let counter = 1;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };
  for (let round = 0; round < 12; round++) next();
  const int = (below: number) => Math.floor(next() * below);
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    pick: (values) => values[int(values.length)] ?? values[0],
    token: (length) =>
      repeated(length, () => {
        const four = int(62 ** 4);
        return `${PAIRS[four % 3844]}${PAIRS[Math.floor(four / 3844)]}`;
      }),
  };
}

const digits = (random: Random, length: number) =>
  repeated(length, () => String(random.int(1e9)).padStart(9, "0"));

const hex = (random: Random, length: number) =>
  repeated(length, () =>
    random
      .int(2 ** 32)
      .toString(16)
      .padStart(8, "0"),
  );

function repeated(length: number, more: () => string): string {
  let text = "";
  while (text.length < length) text += more();
  return text.slice(0, length);
}
