/** A user who is large or strangely made. */
export type HostileUser = Record<string, unknown> & { id: string };

const CREATED_MS = Date.UTC(2024, 0, 1);

/** A user with about so many bytes of metadata. `nested`: with private metadata below the first level too. */
export function userOf(id: string, bytes: number, nested: boolean): HostileUser {
  const rows = Math.ceil(bytes / 100);
  return {
    ...user(id),
    public_metadata: Object.fromEntries(
      Array.from({ length: rows }, (_, n) => [
        `key ${n}`,
        { number: n, text: "thirty-two letters of ordinary text", list: [n, null, true], on: n % 2 === 0 },
      ]),
    ),
    ...(nested && { organization_memberships: [{ id: "orgmem_1", private_metadata: { secret: 1 } }] }),
  };
}

function user(id: string): HostileUser {
  return {
    ...{
      id,
      object: "user",
      username: id,
      first_name: "Ada",
      last_name: "Lovelace",
      image_url: "",
      has_image: false,
    },
    ...{ external_id: null, banned: false, locked: false, password_enabled: true, two_factor_enabled: false },
    ...{ primary_email_address_id: null, primary_phone_number_id: null, primary_web3_wallet_id: null },
    ...{ email_addresses: [], phone_numbers: [], web3_wallets: [], external_accounts: [], passkeys: [] },
    ...{ public_metadata: {}, private_metadata: {}, unsafe_metadata: {} },
    ...{ last_active_at: null, last_sign_in_at: null, created_at: CREATED_MS, updated_at: CREATED_MS },
  };
}

const repeat = <T>(times: number, make: (n: number) => T) => Array.from({ length: times }, (_, n) => make(n));
const verification = { status: "verified" };

/** Events of nearly a mebibyte, each shaped to cost another part of the mirror the most. */
export const shapes: Record<string, () => HostileUser> = {
  "450 KiB of metadata": () => userOf("user_450", 450_000, false),
  "980 KiB of metadata": () => userOf("user_980", 850_000, false),
  "60,000 keys in one object": () => ({
    ...user("user_wide"),
    public_metadata: Object.fromEntries(repeat(60_000, (n) => [`key${n}`, n])),
  }),
  "300,000 empty arrays": () => ({
    ...user("user_empties"),
    unsafe_metadata: { list: repeat(300_000, () => []) },
  }),
  "one text of 980 KiB": () => ({ ...user("user_text"), public_metadata: { text: "x".repeat(980_000) } }),
  "one text of 160,000 U+0000": () => ({
    ...user("user_nul"),
    public_metadata: { text: "\0".repeat(160_000) },
  }),
  "11,000 e-mail addresses": () => ({
    ...user("user_emails"),
    email_addresses: repeat(11_000, (n) => ({
      id: `idn_${n}`,
      email_address: `a${n}@example.com`,
      verification,
    })),
  }),
  "9,000 linked accounts": () => ({
    ...user("user_accounts"),
    external_accounts: repeat(9_000, (n) => ({
      id: `eac_${n}`,
      provider: "oauth_x",
      provider_user_id: `${n}`,
      verification,
    })),
  }),
  "a name of 900 KiB in rare letters": () => ({ ...user("user_name"), first_name: rareText(300_000) }),
  "4,000 memberships with private metadata": () => ({
    ...user("user_member"),
    organization_memberships: repeat(4_000, (n) => ({
      ...{ id: `orgmem_${n}`, role: "org:member", public_metadata: { n }, private_metadata: { secret: n } },
      organization: { id: `org_${n}`, name: "Acme", private_metadata: { secret: n } },
    })),
  }),
  "nested 900 deep, 500 times": () => ({
    ...user("user_deep"),
    public_metadata: { list: repeat(500, () => nest(900)) },
  }),
  "nested 450,000 deep": () => ({ ...user("user_deepest"), public_metadata: DEEPEST }),
};

function nest(depth: number): unknown {
  let value: unknown = 1;
  for (let n = 0; n < depth; n++) value = [value];
  return value;
}

/** Letters so far apart that all pairs of them differ. */
function rareText(letters: number): string {
  return repeat(letters, (n) => String.fromCodePoint(0x4e00 + ((n * 7919) % 20_000))).join("");
}

/** Stands for a value that is nested too deep for `JSON.stringify`. */
const DEEPEST = "the deepest";

/** The user's JSON. */
export const printed = (value: unknown): string =>
  JSON.stringify(value).replace(`"${DEEPEST}"`, () => `${"[".repeat(450_000)}1${"]".repeat(450_000)}`);
