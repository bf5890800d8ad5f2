import fc from "fast-check";
import { pathText } from "../../../src/query/language/paths.js";

type Json = Record<string, unknown>;

const TEXTS = ["username", "first_name", "last_name", "name", "email_address"];
const OTHER_TEXTS = [
  ...["id", "external_id", "email_domain", "phone_number", "web3_wallet"],
  ...["provider", "organization_id", "organization_role"],
];
const FLAGS = ["banned", "locked", "two_factor_enabled", "password_enabled", "has_image"];
const TIMES = ["created_at", "updated_at", "last_active_at", "last_sign_in_at"];

const text = fc.oneof(
  fc.constantFrom("a", "Ann", "é", "\0", "\ud800", "__proto__", ""),
  fc.string({ unit: "binary" }),
);
const someText = text.filter((value) => value !== "");
const time = fc.oneof(
  fc.integer({ min: -8.64e15, max: 8.64e15 }),
  fc.constantFrom("now", "now-30d", "now+1h", "2026-02-28", "2024-02-29T23:59:59.999+05:30"),
);
const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }));
const scalar = fc.oneof(text, number, fc.boolean());

/** A key as users write it into their metadata, and the paths that lead to it. */
export const metadataKey = fc.oneof(
  fc.constantFrom("plan", "a.b", 'a"b', "\\", "", "__proto__", "constructor"),
  text,
);
const metadataPath = fc
  .tuple(
    fc.constantFrom("public", "unsafe", "private"),
    fc.array(metadataKey, { minLength: 1, maxLength: 4 }),
  )
  .map(([object, path]) => pathText(object as "public", path));

const operators = (all: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record(all, { requiredKeys: [] }).filter((some) => Object.keys(some).length > 0);
const equality = (value: fc.Arbitrary<unknown>) => {
  const orNull = fc.option(value);
  const list = fc.array(orNull, { maxLength: 3 });
  return { eq: orNull, ne: orNull, in: list, nin: list, exists: fc.boolean() };
};
const sizes = (value: fc.Arbitrary<unknown>) => ({ lt: value, lte: value, gt: value, gte: value });
const parts = { contains: someText, prefix: someText, suffix: someText };
const asked = (value: fc.Arbitrary<unknown>, more: Record<string, fc.Arbitrary<unknown>>) =>
  fc.oneof(
    fc.option(value),
    fc.array(fc.option(value), { maxLength: 3 }),
    operators({ ...equality(value), ...more }),
  );

const entry = (names: readonly string[], value: fc.Arbitrary<unknown>) =>
  fc.tuple(fc.constantFrom(...names), value);
const textEntry = (names: readonly string[]) => entry(names, asked(text, parts));
const metadataEntry = (path: fc.Arbitrary<string>) =>
  fc.tuple(
    path,
    asked(scalar, {
      ...sizes(fc.oneof(text, number)),
      ...parts,
      contains: fc.oneof(someText, number, fc.boolean()),
    }),
  );

const element = (leaf: fc.Arbitrary<[string, unknown]>) => tree(leaf, 2);

/** An object of one to three entries, with `and`, `or` and `not` to this depth. */
function tree(leaf: fc.Arbitrary<[string, unknown]>, depth: number): fc.Arbitrary<Json> {
  const inner = depth > 0 ? tree(leaf, depth - 1) : null;
  const logic = inner && [
    fc.tuple(fc.constantFrom("and", "or"), fc.array(inner, { maxLength: 2 })),
    fc.tuple(fc.constant("not"), inner),
  ];
  const entries = logic ? fc.oneof({ arbitrary: leaf, weight: 3 }, ...logic) : leaf;
  return fc.array(entries, { maxLength: 3 }).map((list) => Object.fromEntries(list));
}

const elements = fc.oneof(
  fc.tuple(
    fc.constant("membership"),
    element(
      fc.oneof(
        textEntry(["organization_id", "role"]),
        entry(["created_at"], asked(time, sizes(time))),
        metadataEntry(metadataPath.filter((path) => path.startsWith("public_"))),
      ),
    ),
  ),
  fc.tuple(
    fc.constant("email"),
    element(
      fc.oneof(textEntry(["address", "domain"]), entry(["verified", "primary"], asked(fc.boolean(), {}))),
    ),
  ),
  fc.tuple(fc.constant("account"), element(textEntry(["provider", "provider_user_id", "email_address"]))),
);

/** Filters in the form of JSON, as callers may send them. Everything that the language has occurs. */
export const jsonFilter: fc.Arbitrary<Json> = tree(
  fc.oneof(
    entry(TEXTS, asked(text, { ...parts, similar: someText })),
    textEntry(OTHER_TEXTS),
    entry(FLAGS, asked(fc.boolean(), {})),
    entry(TIMES, asked(time, sizes(time))),
    entry(["any"], operators({ ...parts, similar: someText })),
    metadataEntry(metadataPath),
    elements,
  ),
  3,
);
