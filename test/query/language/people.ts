import fc from "fast-check";
import type { Sql } from "../../../src/db/connection/sql.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { membershipSnapshot, userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import type { Json, ModelMembership, ModelUser, World } from "./model.js";

/**
 * People whose values come from small pools, so that filters find what they name. The pools hold what has a meaning for SQL,
 * for JSON, for LIKE, for regular expressions or for text search.
 */
export const NOW_MS = Date.UTC(2026, 10, 28, 12);
const DAY_MS = 86_400_000;

export const NAMES = [
  ...[
    "Ann",
    "ann",
    "ANNA",
    "Annabel",
    "Smith",
    "smith-jones",
    "O'Brien",
    "Zoë",
    "Zoe\u0308",
    "ZOË",
    "Ångström",
  ],
  ...["İpek", "ipek", "ΣΑΣ", "σας", "Straße", "小明", "小", "😀", "%", "_", "a_b", "a%b", "axb", "\\", "\\n"],
  ...['"', "' or 1=1 --", "$1", "|", "a\nb", " ", "", "null", "\u0000", "a\u0000b", ".*", "(", "now", "[]"],
];
export const USERNAMES = [
  "ann",
  "Ann_1",
  "annx1",
  "zoë",
  "İ",
  "99",
  "u%",
  "smith",
  "SMITH9",
  "a.b",
  "\\",
  "O'Brien",
];
export const ADDRESSES = [
  ...["Ann@Example.com", "ann@example.com", "b@acme.com", "B@ACME.com", "zoë@exämple.com", '"x@y"@acme.com'],
  ...[
    "a_b@acme.com",
    "a%b@sub.acme.com",
    "c'd@acme.com",
    "smith9@gmail.com",
    "c@gmail.com",
    "ipek@gmail.com",
  ],
];
export const PHONES = ["+15551234", "+4930123", "15551234", "+7"];
export const WALLETS = ["0xABC", "0xabc", "0xdef0", "bc1q"];
export const PROVIDERS = ["oauth_google", "oauth_github", "google", "custom_%", "Google"];
export const ACCOUNT_IDS = ["1", "2", "x", "X", "", "'"];
export const EXTERNAL_IDS = ["ext_1", "EXT_1", "ext_2", "+7", "é", "e\u0301", "", "%", "a,b", "\\"];
export const ORGANIZATIONS = ["org_1", "org_2", "ORG_1", "org_%"];
export const ROLES = ["org:admin", "org:member", "Org:Admin"];
export const KEYS = [
  ...[
    "plan",
    "seats",
    "a",
    "Plan",
    "größe",
    "a.b",
    "",
    "0",
    "$",
    "*",
    '"',
    "\\",
    "'",
    " ",
    "@",
    "a b",
    "[0]",
  ],
  ...["__proto__", "constructor", "\u0000", "😀"],
];
export const TEXTS = [
  ...[
    "pro",
    "Pro",
    "free",
    "",
    "5",
    "true",
    "null",
    "é",
    "e\u0301",
    "É",
    "a%b",
    "a_b",
    "\\",
    '"',
    "'",
    "$.a",
    ".*",
  ],
  ...[
    "a\nb",
    "\u0000",
    "\ud800",
    "小明",
    "😀",
    "\uffff",
    "ΣΑΣ",
    "İ",
    "2026-11-01",
    "2026-11-02T00:00:00Z",
    "(?i)x",
  ],
];
export const NUMBERS = [
  0, 5, 5.5, -1, 0.1, 0.30000000000000004, 9_007_199_254_740_991, 1e21, 5e-324, -1.5e300,
];

export const timeMs = fc.integer({ min: 0, max: 12 }).map((n) => NOW_MS - n * 5 * DAY_MS);
/** Mostly one of the first, so that filters and people meet. */
export const pick = <T>(values: readonly T[]) =>
  fc.oneof(
    { arbitrary: fc.constantFrom(...values.slice(0, 3)), weight: 1 },
    { arbitrary: fc.constantFrom(...values), weight: 1 },
  );
const sometimes = <T>(arbitrary: fc.Arbitrary<T>, freq = 4) => fc.option(arbitrary, { nil: null, freq });

export const metadataScalar = fc.oneof(
  { arbitrary: pick(TEXTS), weight: 4 },
  { arbitrary: pick(NUMBERS), weight: 3 },
  { arbitrary: fc.boolean(), weight: 1 },
);
const key = pick(KEYS);

function metadataObject(depth: number): fc.Arbitrary<Json> {
  const plain = fc.oneof(
    { arbitrary: metadataScalar, weight: 5 },
    { arbitrary: fc.array(fc.oneof(metadataScalar, fc.constant(null)), { maxLength: 4 }), weight: 2 },
    { arbitrary: fc.constantFrom(null, {}, [[5]], [{ a: "pro" }]), weight: 1 },
  );
  const value =
    depth === 0
      ? plain
      : fc.oneof({ arbitrary: plain, weight: 3 }, { arbitrary: metadataObject(depth - 1), weight: 1 });
  return fc.array(fc.tuple(key, value), { maxLength: 4 }).map((entries) => Object.fromEntries(entries));
}

const email = fc.record({
  email_address: pick(ADDRESSES),
  verification: sometimes(fc.record({ status: pick(["verified", "unverified", "expired"]) })),
});
const account = fc.record({
  provider: pick(PROVIDERS),
  provider_user_id: pick(ACCOUNT_IDS),
  email_address: sometimes(pick(ADDRESSES)),
});
const membership = fc.record({
  organization_id: pick(ORGANIZATIONS),
  role: pick(ROLES),
  created_at: timeMs,
  public_metadata: metadataObject(0),
});

const person = fc.record({
  external_id: sometimes(pick(EXTERNAL_IDS)),
  username: sometimes(pick(USERNAMES)),
  first_name: sometimes(pick(NAMES)),
  last_name: sometimes(pick(NAMES)),
  emails: fc.uniqueArray(email, { maxLength: 3, selector: (one) => one.email_address }),
  phones: fc.uniqueArray(pick(PHONES), { maxLength: 2 }),
  wallets: fc.uniqueArray(pick(WALLETS), { maxLength: 2 }),
  accounts: fc.array(account, { maxLength: 2 }),
  memberships: fc.uniqueArray(membership, { maxLength: 3, selector: (one) => one.organization_id }),
  primary: fc.constantFrom("first", "last", "none"),
  banned: fc.boolean(),
  locked: fc.boolean(),
  two_factor_enabled: fc.boolean(),
  password_enabled: fc.boolean(),
  has_image: fc.boolean(),
  created_at: timeMs,
  updated_at: timeMs,
  last_active_at: sometimes(timeMs),
  last_sign_in_at: sometimes(timeMs),
  public_metadata: fc
    .tuple(metadataObject(2), sometimes(metadataScalar))
    .map(([object, rank]): Json => ({ ...object, rank })),
  unsafe_metadata: metadataObject(1),
  private_metadata: metadataObject(1),
});

/** The same people every time. */
export function people(size: number, seed: number): Omit<World, "similarity"> {
  const users: ModelUser[] = [];
  const memberships: ModelMembership[] = [];
  for (const [n, made] of fc.sample(person, { numRuns: size, seed }).entries()) {
    const { emails, phones, wallets, accounts, primary, memberships: own, ...fields } = made;
    const id = `user_${(n * 7919).toString(36)}${n % 2 === 0 ? "Ab" : "zZ"}`;
    const lists = {
      email_addresses: emails.map((one, i) => ({ ...one, id: `em_${n}_${i}` })),
      phone_numbers: phones.map((phone_number, i) => ({ id: `ph_${n}_${i}`, phone_number })),
      web3_wallets: wallets.map((web3_wallet, i) => ({ id: `wa_${n}_${i}`, web3_wallet })),
      external_accounts: accounts.map((one, i) => ({ ...one, id: `ac_${n}_${i}` })),
    };
    const primaryOf = (list: readonly { id: string }[]) =>
      primary === "none" ? null : (list.at(primary === "first" ? 0 : -1)?.id ?? null);
    users.push({
      ...fields,
      ...lists,
      id,
      lockout_expires_in_seconds: null,
      primary_email_address_id: primaryOf(lists.email_addresses),
      primary_phone_number_id: primaryOf(lists.phone_numbers),
      primary_web3_wallet_id: primaryOf(lists.web3_wallets),
    });
    memberships.push(...own.map((one, i) => ({ ...one, id: `orgmem_${n}_${i}`, user_id: id })));
  }
  return { users, memberships, nowMs: NOW_MS };
}

/** As if Clerk had told of them. */
export async function store(sql: Sql, { users, memberships }: Pick<World, "users" | "memberships">) {
  const items = users.map((user) => ({
    users: [userSnapshot(clerkUser(user), "page", Date.now())],
    memberships: memberships.filter(({ user_id }) => user_id === user.id).map(snapshotOf),
  }));
  await applyItems(sql, items, { lagMs: 60_000 });
}

const snapshotOf = ({ user_id, organization_id, ...fields }: ModelMembership) =>
  membershipSnapshot(
    {
      ...fields,
      organization: { id: organization_id },
      public_user_data: { user_id },
      updated_at: fields.created_at,
    },
    "page",
    1,
  );
