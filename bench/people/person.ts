import type { Random } from "../../src/sandbox/world/random.js";
import { makeAccount, makeEmail, makePasskey, makePhone, makeWallet, phoneNumber } from "./identifiers.js";
import { emailAddresses, FIRST_NAMES, LAST_NAMES, usernameOf } from "./names.js";
import { randomOf } from "./random.js";

type Json = Record<string, unknown>;

export const DAY_MS = 86_400_000;
/** Everything happened before this day, so that "the last 30 days" means the same whenever the bench runs. */
export const TODAY_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS;
const FIVE_YEARS_MS = 5 * 365 * DAY_MS;

/**
 * The n-th person, the same in every run but for the dates. A name or domain is as common as in a directory of real
 * people, and a user's JSON is as long as Clerk's.
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
    public_metadata: publicMetadata(random, n, createdAt),
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

/** Most people were here not long ago. */
function recently(random: Random, createdAt: number): number {
  return TODAY_MS - 1 - Math.floor((TODAY_MS - 1 - createdAt) * random.next() ** 3);
}

function startOfDay(at: number): number {
  return at - (at % DAY_MS);
}

/** Clerk names its pictures by what they show, in base64. */
function imageUrlOf(random: Random, id: string, provider: string | null): string {
  const shown = provider
    ? `{"type":"proxy","src":"https://images.clerk.dev/${provider}/img_2${random.token(26)}"}`
    : `{"type":"default","iid":"ins_2f8kTq0mVw4ZpYc7RbN1sHdJgXe","rid":"${id}","initials":"AB"}`;
  return `https://img.clerk.com/${Buffer.from(shown).toString("base64url")}`;
}

const CITIES = ["Berlin", "London", "Paris", "New York", "Toronto", "Madrid", "Oslo", "Mumbai"] as const;
const ROLES = ["member", "member", "member", "editor", "admin"] as const;

/** The oldest of all, one in a hundred. */
const LEGACY_UNTIL_MS = TODAY_MS - 0.99 * FIVE_YEARS_MS;

/**
 * Values of every frequency: a plan of three quarters and one of a thousandth, tags that a few share, companies of a
 * dozen, and a mark that only the oldest have, so that it isn't spread evenly over time.
 */
function publicMetadata(random: Random, n: number, createdAt: number): Json {
  const apart = randomOf(n, 2);
  const plan = planAt(random.next());
  return {
    plan,
    seats: plan === "free" ? 1 : 1 + random.int(200),
    roles: random.chance(0.1) ? ["admin", "billing"] : [random.pick(ROLES)],
    tags: Array.from({ length: apart.int(4) }, () => `tag${Math.floor(200 * apart.next() ** 3)}`),
    company: `${LAST_NAMES(apart.next()).text} ${1 + apart.int(30)}`,
    city: random.pick(CITIES),
    cohort: n % 97,
    ...(createdAt < LEGACY_UNTIL_MS && { legacy: true }),
    ...(random.chance(0.35) && {
      preferences: { newsletter: random.chance(0.5), digest: "weekly", timezone: "Europe/Berlin" },
    }),
  };
}

function planAt(at: number): string {
  if (at < 0.75) return "free";
  if (at < 0.95) return "pro";
  return at < 0.999 ? "enterprise" : "trial";
}

function privateMetadata(random: Random): Json {
  return { stripe_id: `cus_${random.token(14)}`, score: random.int(1000) / 10, source: "import" };
}
