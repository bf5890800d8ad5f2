import fc from "fast-check";
import type { Json, ModelUser } from "./model.js";
import {
  ACCOUNT_IDS,
  ADDRESSES,
  EXTERNAL_IDS,
  KEYS,
  metadataScalar,
  NAMES,
  NUMBERS,
  ORGANIZATIONS,
  PHONES,
  PROVIDERS,
  pick,
  ROLES,
  TEXTS,
  timeMs,
  USERNAMES,
  WALLETS,
} from "./people.js";

/** Filters that keep some of the people of `people.ts`, each operator of each field among them. */
export const filters = (people: readonly ModelUser[]): fc.Arbitrary<Json> => {
  const ids = [...people.slice(0, 20).map(({ id }) => id), "user_none"];
  const looked = [...NAMES, ...USERNAMES, ...ADDRESSES, ...PHONES, ...WALLETS, ...ids];
  const weighted = (weight: number, ...entries: Entry[]) => ({ arbitrary: fc.oneof(...entries), weight });
  const leaf: Entry = fc.oneof(
    weighted(
      5,
      entry("id", exactText(ids)),
      entry("external_id", exactText(EXTERNAL_IDS)),
      entry("username", foldedText(USERNAMES)),
      entry("first_name", foldedText(NAMES)),
      entry("last_name", foldedText(NAMES)),
      entry("name", foldedText([...NAMES, "Ann Smith", "ann  ", "Zoë 小明"])),
      entry("email_address", foldedText(ADDRESSES)),
      entry("email_domain", foldedText(DOMAINS)),
      entry("phone_number", exactText(PHONES)),
      entry("web3_wallet", foldedText(WALLETS)),
      entry("provider", exactText(PROVIDERS.filter((provider) => !provider.startsWith("oauth_")))),
      entry("organization_id", exactText(ORGANIZATIONS)),
      entry("organization_role", exactText(ROLES)),
      entry("any", asked({ ...parts(piece(looked)), similar })),
      ...["username", "first_name", "last_name", "name", "email_address"].map((name) =>
        entry(name, asked({ similar })),
      ),
    ),
    weighted(
      2,
      ...["banned", "locked", "two_factor_enabled", "password_enabled", "has_image"].map((name) =>
        entry(name, flag),
      ),
      ...["created_at", "updated_at", "last_active_at", "last_sign_in_at"].map((name) => entry(name, time)),
    ),
    weighted(4, ...["public_metadata", "unsafe_metadata", "private_metadata"].map(metadataEntry)),
    weighted(
      4,
      entry("membership", tree(membershipEntry, 2)),
      entry("email", tree(emailEntry, 2)),
      entry("account", tree(accountEntry, 2)),
    ),
  );
  return tree(leaf, 3);
};

/** A term that people would type: a piece of one of these, as it is or in another case. */
const piece = (values: readonly string[]) =>
  fc
    .tuple(
      pick(values.filter((value) => value !== "")),
      fc.nat(),
      fc.integer({ min: 1, max: 6 }),
      fc.nat({ max: 3 }),
    )
    .map(([value, start, length, how]) => {
      const letters = [...value];
      const part = letters
        .slice(start % letters.length)
        .slice(0, length)
        .join("");
      return how === 0 ? part.toUpperCase() : how === 1 ? value : part;
    });

type Operators = Record<string, fc.Arbitrary<unknown>>;

const scalars = (value: fc.Arbitrary<unknown>): Operators => {
  const orNull = fc.oneof({ arbitrary: value, weight: 5 }, { arbitrary: fc.constant(null), weight: 1 });
  const several = fc.array(orNull, { maxLength: 4 });
  return { eq: orNull, ne: orNull, in: several, nin: several, exists: fc.boolean() };
};
const sizes = (value: fc.Arbitrary<unknown>): Operators => ({ lt: value, lte: value, gt: value, gte: value });
const parts = (value: fc.Arbitrary<unknown>): Operators => ({
  contains: value,
  prefix: value,
  suffix: value,
});

/** A scalar, an array, or an object with one operator or two. */
function asked(operators: Operators): fc.Arbitrary<unknown> {
  const one = fc
    .constantFrom(...Object.keys(operators))
    .chain((name) => (operators[name] as fc.Arbitrary<unknown>).map((operand) => [name, operand] as const));
  const object = fc.array(one, { minLength: 1, maxLength: 2 }).map((list) => Object.fromEntries(list));
  const { eq, in: several } = operators;
  if (!eq || !several) return object;
  return fc.oneof(
    { arbitrary: object, weight: 3 },
    { arbitrary: eq, weight: 1 },
    { arbitrary: several, weight: 1 },
  );
}

const exactText = (values: readonly string[]) => asked({ ...scalars(pick(values)), ...parts(piece(values)) });
/** Of fields that fold case: also in another. */
const foldedText = (values: readonly string[]) =>
  asked({
    ...scalars(fc.oneof(pick(values), pick(values.map((value) => value.toUpperCase())))),
    ...parts(piece(values)),
  });
export const SIMILAR = [
  ...[
    "ann",
    "Annabel Smith",
    "smith jones",
    "JHON SMIHT",
    "zoe",
    "obrien",
    "o'brian",
    "exampel.com",
    "gmial",
  ],
  ...[
    "ann@acme",
    "ipek",
    "σας",
    "strasse",
    "小明",
    "a",
    "%",
    "999",
    "user_",
    "bc1",
    "Ångstrom",
    "\u0000a",
    "a\nb",
  ],
] as const;
const similar = pick(SIMILAR);

const flag = asked(scalars(fc.boolean()));
const moment = fc.oneof(
  timeMs,
  timeMs.map((ms) => new Date(ms).toISOString()),
  fc.constantFrom("now", "now-30d", "now-720h", "now+1h", "now-2w", "now-14400m"),
);
const time = asked({ ...scalars(moment), ...sizes(moment) });

const PATH_KEYS = KEYS.map((each) =>
  /^[\p{L}\p{N}_$-]+$/u.test(each) ? each : `"${each.replace(/["\\]/g, "\\$&")}"`,
);
const pathKey = pick(PATH_KEYS);
const path = (object: string) =>
  fc
    .oneof(
      { arbitrary: pathKey.map((key) => [key]), weight: 3 },
      { arbitrary: fc.array(pathKey, { minLength: 2, maxLength: 3 }), weight: 1 },
    )
    .map((keys) => [object, ...keys].join("."));
const someText = TEXTS.filter((text) => text !== "");
const metadata = asked({
  ...scalars(metadataScalar),
  ...sizes(fc.oneof(pick(TEXTS), pick(NUMBERS))),
  ...parts(piece(someText)),
  contains: fc.oneof(pick(someText), piece(someText), pick(NUMBERS), fc.boolean()),
});

type Entry = fc.Arbitrary<readonly [string, unknown]>;
const entry = (name: string, value: fc.Arbitrary<unknown>): Entry => value.map((v) => [name, v] as const);
const metadataEntry = (object: string): Entry => fc.tuple(path(object), metadata);

const DOMAINS = [
  ...new Set(ADDRESSES.map((address) => address.slice(address.lastIndexOf("@") + 1))),
  "none.com",
];

const membershipEntry = fc.oneof(
  entry("organization_id", exactText(ORGANIZATIONS)),
  entry("role", exactText(ROLES)),
  entry("created_at", time),
  metadataEntry("public_metadata"),
);
const emailEntry = fc.oneof(
  entry("address", foldedText(ADDRESSES)),
  entry("domain", foldedText(DOMAINS)),
  entry("verified", flag),
  entry("primary", flag),
);
const accountEntry = fc.oneof(
  entry("provider", exactText(PROVIDERS)),
  entry("provider_user_id", exactText(ACCOUNT_IDS)),
  entry("email_address", foldedText(ADDRESSES)),
);

/** Entries under each other by `and`, `or` and `not`, their empty forms included. */
function tree(leaf: Entry, maxDepth: number): fc.Arbitrary<Json> {
  return fc.letrec<{ entry: readonly [string, unknown]; filter: Json }>((tie) => {
    const several = fc.array(tie("filter"), { maxLength: 3 });
    return {
      entry: fc.oneof(
        { maxDepth, depthSize: "small" },
        { arbitrary: leaf, weight: 4 },
        { arbitrary: entry("and", several), weight: 1 },
        { arbitrary: entry("or", several), weight: 2 },
        { arbitrary: entry("not", tie("filter")), weight: 2 },
      ),
      // Everybody, now and then; the more entries, the fewer are kept.
      filter: fc
        .oneof(
          { arbitrary: fc.array(tie("entry"), { minLength: 1, maxLength: 2 }), weight: 12 },
          { arbitrary: fc.array(tie("entry"), { maxLength: 3 }), weight: 1 },
        )
        .map((entries) => Object.fromEntries(entries)),
    };
  }).filter;
}
