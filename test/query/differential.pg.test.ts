// Covers src/query/{clerk-params,compile,order,lists,run}.ts

import fc from "fast-check";
import { describe, expect } from "vitest";
import { noCache } from "../../src/cache/user-cache.js";
import { unwatched } from "../../src/db/connection/availability.js";
import { vacuumTables } from "../../src/db/setup/statistics.js";
import { parseListParams, parseUserFilter } from "../../src/query/clerk-params.js";
import { createUserQueries } from "../../src/query/users.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import { membershipSnapshot, userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { test } from "../support/database.js";
import { type Model, type ModelParams, type ModelUser, modelMatches, modelPage, ORDERS } from "./model.js";

const USERS = 250;
const CASES = 2500;

const NAMES = [
  "Ann",
  "ANN",
  "anna",
  "Ánn",
  "A\u0301nn",
  "İpek",
  "ipek",
  "IPEK",
  "ıpek",
  "Σίσυφος",
  "ΣΊΣΥΦΟΣ",
  "Straße",
  "STRASSE",
  "王小明",
  "小明",
  "さくら",
  "Михаил",
  "مريم",
  "שרה",
  "สมชาย",
  "😀 Joy",
  "😀",
  "é",
  "øb",
  "|",
  "100%",
  "under_score",
  "back\\slash",
  "O'Neil",
  '"quoted"',
  "a",
  "zz",
  " lead",
  "trail ",
  "tab\there",
  "x".repeat(300),
  "",
];
const LOCALS = ["ann", "Ann.Smith", "a", "zx9", "qx7", "john+tag", "JOHN", "Ünï", "99", "info", "İ"];
const DOMAINS = ["example.com", "EXAMPLE.com", "gmail.com", "bücher.example", "x.io"];
const PROVIDERS = ["oauth_google", "oauth_github", "google"];
const ORGANIZATIONS = ["org_1", "org_2", "org_3"];

const ENDS_OF_IDS = ["Ab", "zZ", "aBc", "Zz", "0A", "~[x]Y", "%Q.B"];

/** The same people in every run: fast-check's own generator under a fixed seed. */
function people(): Model {
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
  const name = maybe(fc.constantFrom(...NAMES));
  const timeMs = fc.integer({ min: 0, max: 6 }).map((n) => 1_700_000_000_000 + n * 43_200_000);
  const email = fc
    .tuple(fc.constantFrom(...LOCALS), fc.constantFrom(...DOMAINS))
    .map(([local, domain]) => `${local}@${domain}`);
  const phone = fc.constantFrom("+15551234", "+15550000", "+4479460", "+7", "++7", "15551234");
  const wallet = fc.constantFrom("0xABC", "0xabc", "0xdef0", "bc1q");
  const person = fc.record({
    external_id: maybe(fc.constantFrom("ext_1", "ext_2", "+7", "-7", "EXT_1", "é", "a,b", "")),
    username: maybe(fc.constantFrom("ann", "Ann", "zoë", "u_1", "u%", "İ", "99")),
    first_name: name,
    last_name: name,
    emails: fc.uniqueArray(email, { maxLength: 3 }),
    phones: fc.uniqueArray(phone, { maxLength: 2 }),
    wallets: fc.uniqueArray(wallet, { maxLength: 2 }),
    hasPrimary: fc.boolean(),
    accounts: fc.array(fc.tuple(fc.constantFrom(...PROVIDERS), fc.constantFrom("1", "2", "x")), {
      maxLength: 2,
    }),
    banned: fc.boolean(),
    created_at: timeMs,
    updated_at: timeMs,
    last_active_at: maybe(timeMs),
    last_sign_in_at: maybe(timeMs),
    organizations: fc.subarray(ORGANIZATIONS),
  });
  const model: Model = { users: [], organizations: new Map() };
  for (const [n, made] of fc.sample(person, { numRuns: USERS, seed: 7 }).entries()) {
    const { emails, phones, wallets, accounts, hasPrimary, organizations, ...fields } = made;
    const id = `user_${(n * 7919).toString(36)}${ENDS_OF_IDS[n % ENDS_OF_IDS.length]}`;
    if (n % 20 === 5) Object.assign(fields, { username: id.toUpperCase() });
    if (n % 20 === 6) emails.push(`${id}@x.io`);
    if (n % 20 === 7) (phones as string[]).unshift(id);
    const listed = <K extends string>(values: string[], field: K, prefix: string) =>
      values.map((value, i) => ({ id: `${prefix}_${n}_${i}`, [field]: value })) as ({ id: string } & Record<
        K,
        string
      >)[];
    const primary = (list: { id: string }[]) => (hasPrimary ? (list.at(-1)?.id ?? null) : null);
    const lists = {
      email_addresses: listed(emails, "email_address", "em"),
      phone_numbers: listed(phones, "phone_number", "ph"),
      web3_wallets: listed(wallets, "web3_wallet", "wa"),
    };
    model.users.push({
      ...fields,
      ...lists,
      id,
      primary_email_address_id: primary(lists.email_addresses),
      primary_phone_number_id: primary(lists.phone_numbers),
      primary_web3_wallet_id: primary(lists.web3_wallets),
      external_accounts: accounts.map(([provider, provider_user_id]) => ({ provider, provider_user_id })),
    });
    model.organizations.set(id, organizations);
  }
  return model;
}

/** Terms people type: pieces of what is stored, in other cases, and what nobody has. */
function termsOf(users: ModelUser[]): fc.Arbitrary<string> {
  const fields = users.flatMap((user) => [
    user.id,
    ...[user.username, user.first_name, user.last_name].filter((value) => value !== null),
    `${user.first_name} ${user.last_name}`,
    ...user.email_addresses.map((email) => email.email_address),
    ...user.phone_numbers.map((phone) => phone.phone_number),
  ]);
  const piece = fc
    .tuple(fc.constantFrom(...fields), fc.nat(), fc.integer({ min: 1, max: 8 }))
    .map(([field, start, length]) =>
      [...field]
        .slice(start % Math.max(1, [...field].length))
        .slice(0, length)
        .join(""),
    );
  return fc.oneof(
    piece,
    piece.map((text) => text.toUpperCase()),
    fc.constantFrom(
      "",
      "%",
      "_",
      "\\",
      "|",
      "é",
      "É",
      "øb",
      "😀",
      "小",
      "小明",
      "Σ",
      "ς",
      "i",
      "İ",
      "nobody-has-this",
      "%n",
      "@g",
      "+1",
    ),
  );
}

function paramsOf(model: Model): fc.Arbitrary<ModelParams> {
  const pick = (values: (string | null)[]) =>
    fc.constantFrom(...new Set([...values.filter((v) => v !== null), "", "nobody"]));
  const many = (values: (string | null)[]) => fc.array(pick(values), { minLength: 1, maxLength: 3 });
  const signedMany = (values: (string | null)[]) =>
    fc.array(
      fc.tuple(fc.constantFrom("", "+", "-", " "), pick(values)).map(([sign, value]) => sign + value),
      { minLength: 1, maxLength: 3 },
    );
  const upper = (values: fc.Arbitrary<string[]>) =>
    fc
      .tuple(values, fc.boolean())
      .map(([list, yes]) => (yes ? list.map((value) => value.toUpperCase()) : list));
  const time = fc.integer({ min: -1, max: 13 }).map((n) => [String(1_700_000_000_000 + n * 21_600_000)]);
  const term = termsOf(model.users).map((text) => [text]);
  const users = model.users;
  const filters: Record<string, fc.Arbitrary<string[]>> = {
    email_address: upper(
      many(users.flatMap((user) => user.email_addresses.map((email) => email.email_address))),
    ),
    phone_number: many(["+15551234", " 15551234", "+7", "++7", " 7", "15551234"]),
    username: upper(many(users.map((user) => user.username))),
    web3_wallet: upper(many(["0xABC", "0xdef0", "bc1q"])),
    external_id: signedMany(users.map((user) => user.external_id)),
    user_id: signedMany(users.map((user) => user.id)),
    organization_id: signedMany(ORGANIZATIONS),
    query: term,
    email_address_query: term,
    phone_number_query: fc.oneof(
      term,
      fc.constantFrom("555", "+", "7").map((text) => [text]),
    ),
    username_query: term,
    name_query: term,
    banned: fc.constantFrom(["true"], ["false"]),
    created_at_before: time,
    created_at_after: time,
    last_active_at_before: time,
    last_active_at_after: time,
    last_active_at_since: time,
    last_sign_in_at_before: time,
    last_sign_in_at_after: time,
  };
  const filter = fc
    .constantFrom(...Object.keys(filters))
    .chain((name) => (filters[name] as fc.Arbitrary<string[]>).map((values) => [name, values] as const));
  const account = fc
    .tuple(
      fc.constantFrom(...PROVIDERS, "oauth_none"),
      fc.array(fc.constantFrom("1", "2", "x", ""), { minLength: 1, maxLength: 2 }),
    )
    .map(
      ([provider, ids]) =>
        [
          ["provider", [provider]],
          ["provider_user_id", ids],
        ] as const,
    );
  const order = fc.option(
    fc.tuple(fc.constantFrom("", "+", "-"), fc.constantFrom(...ORDERS)).map((parts) => parts.join("")),
    { nil: null },
  );
  const page = fc.record({
    limit: fc.option(fc.constantFrom("1", "2", "7", "50", "500"), { nil: null }),
    offset: fc.option(fc.constantFrom("0", "1", "13", "130", "240", "260"), { nil: null }),
    cursor: fc.option(fc.constantFrom(...users.map((user) => user.id)), { nil: null, freq: 3 }),
  });
  return fc
    .tuple(fc.array(filter, { maxLength: 3 }), fc.option(account, { nil: [] as const, freq: 8 }), order, page)
    .map(([chosen, pair, orderBy, { limit, offset, cursor }]) => {
      const params: ModelParams = Object.fromEntries([...chosen, ...pair]);
      if (limit !== null) params.limit = [limit];
      if (cursor !== null) {
        params.starting_after = [cursor];
        if (orderBy?.endsWith("created_at")) params.order_by = [orderBy];
      } else {
        if (offset !== null) params.offset = [offset];
        if (orderBy !== null) params.order_by = [orderBy];
      }
      return params;
    });
}

describe("list and count", () => {
  test("agree with an independent model for random filters, orders and pages over nasty people", async ({
    db,
  }) => {
    const model = people();
    await applyItems(
      db.sql,
      model.users.map((user) => ({
        users: [userSnapshot(clerkUser(user), "page", 1)],
        organizations: [],
        memberships: (model.organizations.get(user.id) ?? []).map((organization, i) =>
          membershipSnapshot(
            {
              id: `orgmem_${user.id}_${i}`,
              role: "org:member",
              organization: { id: organization },
              public_user_data: { user_id: user.id },
              created_at: 1,
              updated_at: 1,
            },
            "page",
            1,
          ),
        ),
      })),
      { lagMs: 60_000 },
    );
    // As they are after a backfill: where a hundred users are known to postgres, ids are looked for by an index of their own.
    await vacuumTables(db.sql);
    const queries = createUserQueries(db.database.readers, {
      nowMs: Date.now,
      availability: unwatched,
      cache: noCache,
    });
    const answers: { params: ModelParams; ids: string[] }[] = [];
    const idsFor = async (params: ModelParams) => {
      const page = await queries.list(parseListParams(params), { privateMetadata: true });
      return (JSON.parse(String(page)) as { id: string }[]).map((user) => user.id);
    };
    let matching = 0;
    await fc.assert(
      fc.asyncProperty(paramsOf(model), async (params) => {
        const ids = await idsFor(params);
        const matches = modelMatches(model, params);
        expect(ids).toEqual(modelPage(model, params));
        answers.push({ params, ids });
        expect(await queries.count(parseUserFilter(params))).toBe(matches.length);
        matching += Number(matches.length > 0 && matches.length < USERS);
      }),
      { numRuns: CASES, seed: 20_260_512 },
    );
    // The cases must be worth something: a good part selects some and leaves some out.
    expect(matching).toBeGreaterThan(CASES / 3);
    // As many at once as may wait, where lookups share their statements: each is answered as it was alone.
    for (let n = 0; n < answers.length; n += 400) {
      const slice = answers.slice(n, n + 400);
      const together = await Promise.all(slice.map(({ params }) => idsFor(params)));
      expect(together).toEqual(slice.map(({ ids }) => ids));
    }
  }, 300_000);
});
