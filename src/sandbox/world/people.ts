import { createRandom, type Random } from "./random.js";
import type { Json } from "./types.js";

type Names = readonly [string, ...string[]];

/** Names in many scripts, with characters that are hard for case folding, searching and sorting. The first are the most common. */
const FIRST: Names = [
  ...([
    "Anna",
    "John",
    "Maria",
    "David",
    "Ann",
    "James",
    "Sofia",
    "Michael",
    "Emma",
    "Lucas",
    "Olivia",
    "Noah",
  ] as const),
  ...["José", "Zoë", "Renée", "Björn", "Søren", "Łukasz", "Şebnem", "İpek", "Ümit", "Çağla", "Ñuño", "Áine"],
  ...[
    "Γιώργος",
    "Σίσυφος",
    "Ελένη",
    "Михаил",
    "Ольга",
    "Дмитро",
    "مريم",
    "أحمد",
    "שרה",
    "דוד",
    "王小明",
    "李娜",
  ],
  ...[
    "さくら",
    "太郎",
    "지우",
    "민준",
    "สมชาย",
    "ณัฐ",
    "आरव",
    "প্রিয়া",
    "Nguyễn",
    "Đặng",
    "😀 Joy",
    "O'Neil",
    "Anne-Marie",
  ],
  ...["Jean Luc", "Dr. Lee", "de la Cruz", "x", "Ⅳ", "ﬁona", "A\u030Angstro\u0308m"],
];
const LAST: Names = [
  ...([
    "Smith",
    "Garcia",
    "Müller",
    "Johnson",
    "Silva",
    "Kim",
    "Nguyen",
    "Ivanov",
    "Rossi",
    "Dubois",
    "Patel",
  ] as const),
  ...[
    "Quigley",
    "van der Berg",
    "O'Brien",
    "Straße",
    "Weiß",
    "Ångström",
    "Yılmaz",
    "Παπαδόπουλος",
    "Петров",
    "Коваленко",
  ],
  ...[
    "العربي",
    "כהן",
    "陈",
    "山田",
    "박",
    "ใจดี",
    "शर्मा",
    "Lindqvist",
    "Fernández-Ruiz",
    "D’Angelo",
    "Şahin",
    "100%",
    "under_score",
  ],
];
const DOMAINS: Names = [
  "gmail.com",
  "example.com",
  "acme.com",
  "outlook.example",
  "Example.ORG",
  "uni-köln.example",
  "corp.example.co.uk",
];
const PLANS: Names = ["free", "free", "free", "pro", "pro", "enterprise"];
const COMPANIES: Names = [
  "Acme",
  "Müller & Söhne",
  "Globex",
  "Initech",
  "株式会社山田",
  "Umbrella",
  "O'Brien's",
  "100% Ltd.",
];
const TAGS: Names = ["beta", "vip", "newsletter", "émigré", "a.b", "early adopter", "Partner", "churned"];
const TIME_ZONES: Names = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"];
const PROVIDERS: Names = ["oauth_google", "oauth_google", "oauth_github", "oauth_microsoft"];

/** The body of a `POST /users`, and data that such a body can't set. */
export interface Person {
  body: Json;
  accounts: { provider: string; providerUserId: string }[];
  hasPasskey: boolean;
  lastActiveDaysAgo: number | null;
  lastSignInDaysAgo: number | null;
  locked: boolean;
}

export interface Awkwardness {
  /** Puts halves of surrogate pairs into some metadata. JSON allows them, but strict parsers (Ruby's, Rust's) refuse them. */
  loneSurrogates?: boolean | undefined;
}

/** The n-th person for a seed. People are realistic on the whole, with difficult values in the details. */
export function makePerson(random: Random, n: number, awkwardness: Awkwardness = {}): Person {
  const first = random.chance(0.92) ? zipf(random, FIRST) : null;
  const last = random.chance(0.9) ? zipf(random, LAST) : null;
  const local = localPart(random, first, last, n);
  const emails = random.chance(0.95)
    ? [
        `${local}@${zipf(random, DOMAINS)}`,
        ...(random.chance(0.15) ? [`${local}.${n}@${random.pick(DOMAINS)}`] : []),
      ]
    : [];
  const phones = random.chance(0.5)
    ? [
        `+1555${String(1_000_000 + n).slice(-7)}`,
        ...(random.chance(0.05) ? [`+4479${String(10_000_000 + n)}`] : []),
      ]
    : [];
  return {
    body: {
      ...(first !== null && { first_name: first }),
      ...(last !== null && { last_name: last }),
      ...(random.chance(0.4) && { username: `${local.replace(/[^a-z0-9_]/gi, "_")}_${n}` }),
      ...(random.chance(0.6) && { external_id: random.chance(0.02) ? `+${n}` : `ext_${n}` }),
      ...(emails.length > 0 && { email_address: emails }),
      ...(phones.length > 0 && { phone_number: phones }),
      ...(random.chance(0.1) && { web3_wallet: [`0x${random.token(20)}${n.toString(16).padStart(8, "0")}`] }),
      ...(random.chance(0.8) && { password: `pass-${random.token(12)}` }),
      ...(random.chance(0.02) && { banned: true }),
      public_metadata: { ...publicMetadata(random, n, awkwardness), ...askedAbout(n) },
      private_metadata: random.chance(0.4)
        ? { stripe_id: `cus_${random.token(14)}`, score: random.int(1000) / 10 }
        : {},
      unsafe_metadata: random.chance(0.2)
        ? { theme: random.pick(["dark", "light"]), "a.b": random.int(9), "": "empty key" }
        : {},
    },
    accounts: random.chance(0.3)
      ? [{ provider: random.pick(PROVIDERS), providerUserId: String(100_000_000 + n) }]
      : [],
    hasPasskey: random.chance(0.05),
    lastActiveDaysAgo: random.chance(0.8) ? random.int(400) : null,
    lastSignInDaysAgo: random.chance(0.85) ? random.int(400) : null,
    locked: random.chance(0.01),
  };
}

/** Picks the first of a list often and the last seldom, as real names are distributed. */
function zipf(random: Random, values: Names): string {
  return values[Math.floor(values.length * random.next() ** 2.5)] ?? values[0];
}

function localPart(random: Random, first: string | null, last: string | null, n: number): string {
  const plain = (text: string | null) =>
    (text ?? "")
      .normalize("NFKD")
      .toLowerCase()
      .replace(/[^a-z0-9]/g, "");
  const name = [plain(first), plain(last)].filter(Boolean).join(random.pick([".", "_", "", "+"])) || "user";
  return `${random.chance(0.05) ? name.toUpperCase() : name}${n}`;
}

function publicMetadata(random: Random, n: number, { loneSurrogates }: Awkwardness): Json {
  const plan = { plan: random.pick(PLANS), seats: random.int(50) };
  const kind = random.int(40);
  if (kind < 10) return {};
  if (kind === 10) return { ...plan, bio: "nul \u0000 byte" };
  if (kind === 11 && loneSurrogates) return { ...plan, broken: "\ud83d half a pair", "\udc00": 1 };
  if (kind === 11) return { ...plan, whole: "\u{1f600} a pair", "\u{10400}": 1 };
  if (kind === 12) return { ...plan, note: "long ".repeat(400) };
  if (kind === 13) return { ...plan, deep: nested(40) };
  if (kind === 14) return { ...plan, 日本: ["語", { キー: null }], constructor: "x", quote: "\"'\\" };
  return {
    ...plan,
    roles: random.chance(0.3) ? ["admin", "billing"] : ["member"],
    address: { city: random.pick(LAST), n },
  };
}

/**
 * What people ask for who look for some of their users: lists, nested values, a mark that few have, and numbers where others
 * have texts. The same for the n-th person whatever the seed.
 */
function askedAbout(n: number): Json {
  const random = createRandom(n + 1);
  if (random.chance(0.1)) return {};
  const tags = TAGS.filter((_, at) => random.chance(0.4 / (at + 1)));
  return {
    ...(tags.length > 0 && { tags }),
    ...(random.chance(0.7) && { company: zipf(random, COMPANIES) }),
    cohort: n % 12,
    ...(random.chance(0.05) && { legacy: true }),
    ...(random.chance(0.4) && {
      preferences: {
        newsletter: random.chance(0.5),
        time_zone: random.pick(TIME_ZONES),
        digest: { every: random.pick(["day", "week"]), hour: random.chance(0.9) ? random.int(24) : "noon" },
      },
    }),
  };
}

function nested(depth: number): Json {
  return depth === 0 ? { end: true } : { d: nested(depth - 1) };
}
