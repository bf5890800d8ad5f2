import fc from "fast-check";

/** A SCIM filter and the JSON filter that says the same. */
export interface Pair {
  scim: string;
  json: Record<string, unknown>;
}

interface Made extends Pair {
  binds: "or" | "and" | "alone";
}

/** Fields by the kind of value they are compared with, with the names that SCIM has for them. */
const TEXTS = [
  ["username", "userName"],
  ["external_id", "externalId"],
  ["email_address", "emails"],
  ["email_address", "emails.value"],
  ["phone_number", "phoneNumbers.value"],
  ["first_name", "name.givenName"],
  ["last_name", "name.familyName"],
  ["name", "name"],
  ["email_domain", "email_domain"],
  ["web3_wallet", "web3_wallet"],
] as const;
const EXACT_TEXTS = [
  ["id", "id"],
  ["organization_id", "groups"],
  ["organization_id", "groups.value"],
  ["organization_role", "organization_role"],
  ["provider", "provider"],
] as const;
const TIMES = [
  ["created_at", "meta.created"],
  ["updated_at", "meta.lastModified"],
  ["last_active_at", "last_active_at"],
] as const;
const FLAGS = [
  ["locked", "locked"],
  ["has_image", "has_image"],
  ["two_factor_enabled", "two_factor_enabled"],
] as const;
const PATHS = [
  "public_metadata.plan",
  "public_metadata.a.B",
  'public_metadata."a.b"',
  'unsafe_metadata."with \\" and \\\\".größe',
] as const;
const EMAIL_TEXTS = [
  ["address", "value"],
  ["address", "address"],
  ["domain", "domain"],
] as const;
const MEMBERSHIP_TEXTS = [
  ["organization_id", "value"],
  ["organization_id", "organization_id"],
  ["role", "role"],
] as const;
const ACCOUNT_TEXTS = [
  ["provider", "provider"],
  ["provider_user_id", "provider_user_id"],
  ["email_address", "email_address"],
] as const;

const literal = (value: unknown) => JSON.stringify(value);

const anyCase = (word: string) =>
  fc.constantFrom(
    word,
    word.toUpperCase(),
    word.toLowerCase(),
    word.replace(/\w/g, (letter, i) => (i % 2 === 0 ? letter.toUpperCase() : letter.toLowerCase())),
  );

/** In any case but for the keys of a path. */
const spelled = (name: string) => {
  const object = /^\w+_metadata/.exec(name)?.[0] ?? name;
  return anyCase(object).map((changed) => changed + name.slice(object.length));
};

type Named = readonly [field: string, name: string];

const alone = (name: string, operator: string, value: unknown, json: Record<string, unknown>) =>
  fc.tuple(spelled(name), anyCase(operator)).map(([spelledName, spelledOperator]): Made => {
    const operand = value === undefined ? "" : ` ${literal(value)}`;
    return { scim: `${spelledName} ${spelledOperator}${operand}`, json, binds: "alone" };
  });

const equality = ([field, name]: Named, value: fc.Arbitrary<unknown>) =>
  value.chain((v) =>
    fc.oneof(alone(name, "eq", v, { [field]: v }), alone(name, "ne", v, { [field]: { ne: v } })),
  );

const presence = ([field, name]: Named) => alone(name, "pr", undefined, { [field]: { exists: true } });

const among = ([field, name]: Named, value: fc.Arbitrary<unknown>) =>
  fc.array(value, { maxLength: 4 }).chain((values) => alone(name, "in", values, { [field]: values }));

const partly = ([field, name]: Named, text: fc.Arbitrary<string>) =>
  fc
    .tuple(fc.constantFrom(["co", "contains"], ["sw", "prefix"], ["ew", "suffix"]), text)
    .chain(([[scim = "", json = ""], value]) => alone(name, scim, value, { [field]: { [json]: value } }));

const bounded = ([field, name]: Named, value: fc.Arbitrary<unknown>) =>
  fc
    .tuple(fc.constantFrom(["gt", "gt"], ["ge", "gte"], ["lt", "lt"], ["le", "lte"]), value)
    .chain(([[scim = "", json = ""], v]) => alone(name, scim, v, { [field]: { [json]: v } }));

/** `plain`: only what any parser of RFC 7644 must know and agree on. */
export function pairs({ plain }: { plain: boolean }): fc.Arbitrary<Pair> {
  const anyText = fc.string({ unit: "binary", minLength: 1, maxLength: 6 });
  const text = plain
    ? anyText.filter((value) => !literal(value).includes("\\"))
    : fc.oneof(anyText, fc.constantFrom('"', "\\", "]", ") or (", "a and b", "\u0000", "é😀", "now-30d"));
  const time = fc.oneof(
    fc.nat({ max: 1_800_000_000_000 }),
    fc.constantFrom("2026-11-01T00:00:00Z", "now-30d", "now+1h"),
  );
  const number = plain
    ? fc.nat()
    : // -0 is written as 0.
      fc.oneof(
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
      );
  const scalar = fc.oneof(text, number, fc.boolean());
  const flag = fc.boolean();

  const aboutText = (named: Named) =>
    fc.oneof(
      equality(named, fc.oneof({ arbitrary: text, weight: 5 }, { arbitrary: fc.constant(null), weight: 1 })),
      partly(named, text),
      presence(named),
      ...(plain ? [] : [among(named, text)]),
    );
  const aboutTime = (named: Named) => fc.oneof(bounded(named, time), equality(named, time), presence(named));
  const aboutMetadata = (path: string) => {
    const named = [path, path] as const;
    return fc.oneof(
      equality(named, scalar),
      bounded(named, fc.oneof(text, number)),
      partly(named, text),
      presence(named),
      ...(plain ? [] : [among(named, scalar)]),
    );
  };
  const active = flag.chain((value) =>
    fc.oneof(
      alone("active", "eq", value, { banned: !value }),
      alone("active", "ne", value, { banned: { ne: !value } }),
      ...(plain ? [] : [alone("active", "in", [value], { banned: [!value] })]),
    ),
  );
  const path = fc.constantFrom(...(plain ? PATHS.slice(0, 2) : PATHS)).chain(aboutMetadata);

  const within = (key: string, names: readonly string[], condition: fc.Arbitrary<Made>): fc.Arbitrary<Made> =>
    fc
      .tuple(fc.constantFrom(...names).chain(anyCase), combined(condition, 2))
      .map(([name, { scim, json }]) => ({ scim: `${name}[${scim}]`, json: { [key]: json }, binds: "alone" }));
  const email = within(
    "email",
    plain ? ["emails"] : ["emails", "email"],
    fc.oneof(
      fc.constantFrom(...EMAIL_TEXTS).chain(aboutText),
      fc.constantFrom("verified", "primary").chain((name) => equality([name, name], flag)),
    ),
  );
  const membership = within(
    "membership",
    plain ? ["groups"] : ["groups", "membership"],
    fc.oneof(
      fc.constantFrom(...MEMBERSHIP_TEXTS).chain(aboutText),
      aboutTime(["created_at", "created_at"]),
      aboutMetadata("public_metadata.a"),
    ),
  );
  const account = within("account", ["account"], fc.constantFrom(...ACCOUNT_TEXTS).chain(aboutText));

  const leaf = fc.oneof(
    { arbitrary: fc.constantFrom(...TEXTS, ...EXACT_TEXTS).chain(aboutText), weight: 4 },
    { arbitrary: fc.constantFrom(...TIMES).chain(aboutTime), weight: 2 },
    { arbitrary: fc.constantFrom(...FLAGS).chain((named) => equality(named, flag)), weight: 1 },
    { arbitrary: active, weight: 1 },
    { arbitrary: path, weight: 3 },
    ...[email, membership, account].map((arbitrary) => ({ arbitrary, weight: 1 })),
  );
  return combined(leaf, 4).map(({ scim, json }) => ({ scim, json }));
}

/** With `and`, `or` and `not`, parentheses where they are needed, and sometimes where they aren't. */
function combined(leaf: fc.Arbitrary<Made>, maxDepth: number): fc.Arbitrary<Made> {
  return fc.letrec<{ tree: Made }>((tie) => {
    const several = fc.array(fc.tuple(tie("tree"), fc.boolean(), fc.constantFrom(" ", "  ", "\n")), {
      minLength: 2,
      maxLength: 3,
    });
    const joined = (word: "and" | "or") =>
      fc.tuple(several, anyCase(word)).map(([parts, spelledWord]): Made => {
        const free = word === "and" ? ["alone"] : ["alone", "and"];
        const texts = parts.map(([{ scim, binds }, always, space]) =>
          free.includes(binds) && !always ? scim : `(${space}${scim})`,
        );
        return {
          scim: texts.join(` ${spelledWord} `),
          json: { [word]: parts.map(([{ json }]) => json) },
          binds: word,
        };
      });
    const not = fc.tuple(tie("tree"), anyCase("not"), fc.constantFrom("", " ")).map(
      ([{ scim, json }, word, space]): Made => ({
        scim: `${word}${space}(${scim})`,
        json: { not: json },
        binds: "alone",
      }),
    );
    return {
      tree: fc.oneof({ maxDepth, depthSize: "small" }, leaf, joined("and"), joined("or"), not),
    };
  }).tree;
}
