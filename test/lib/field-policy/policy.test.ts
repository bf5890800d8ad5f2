import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createFieldPolicy } from "../../../src/lib/field-policy/policy.js";
import { parseFieldPolicy } from "../../../src/lib/field-policy/rules.js";
import { clerkUser } from "../../support/clerk-user.js";

const KEY = "0123456789abcdef";
const policy = (text: string, key: string | null = KEY) => {
  const { rules, problems } = parseFieldPolicy(text);
  expect(problems).toEqual([]);
  return createFieldPolicy({ rules, key });
};
const hashed = (text: string, key = KEY) =>
  `hash_${createHmac("sha256", key).update(text).digest("hex").slice(0, 32)}`;
const kept = (text: string, object: object, kind: "user" | "organization" | "membership" = "user") => {
  const copy = JSON.parse(JSON.stringify(object));
  policy(text).apply(kind, copy);
  return copy;
};

describe("drop", () => {
  test("keeps the shape that clients expect, and removes what stands in metadata", () => {
    const user = clerkUser({
      id: "user_1",
      phone_numbers: [{ phone_number: "+1" }],
      public_metadata: { plan: "pro", secret: { a: 1, b: 2 } },
      private_metadata: { all: 1 },
    });
    expect(
      kept("drop first_name, drop phone_numbers, drop public_metadata.secret.a, drop private_metadata", user),
    ).toEqual({
      ...user,
      first_name: null,
      phone_numbers: [],
      public_metadata: { plan: "pro", secret: { b: 2 } },
      private_metadata: {},
    });
  });

  test("says {} of private metadata that a webhook keeps back, so that Clerk isn't asked for them", () => {
    expect(kept("drop private_metadata", { private_metadata: null })).toEqual({ private_metadata: {} });
  });

  test("adds no member that isn't there, and bears any value in any place", () => {
    expect(kept("drop username, drop public_metadata.a", { public_metadata: null })).toEqual({
      public_metadata: null,
    });
    for (const value of [null, 1, "text", [], [[{ a: 1 }]]]) {
      policy("drop **.a, drop public_metadata.a").apply("user", value);
      policy("drop public_metadata.a").apply("user", { public_metadata: value });
    }
  });
});

describe("hash", () => {
  test("is an HMAC by the key, for each element of a list, and leaves nothing as nothing", () => {
    const addresses = { email_addresses: [{ email_address: "a@b.example" }, { email_address: null }] };
    expect(
      kept("hash email_addresses.email_address, hash public_metadata.tags", {
        ...addresses,
        public_metadata: { tags: ["x", 5, null] },
      }),
    ).toEqual({
      email_addresses: [{ email_address: hashed("a@b.example") }, { email_address: null }],
      public_metadata: { tags: [hashed("x"), hashed("5"), null] },
    });
    expect(kept("hash username", { username: "" })).toEqual({ username: "" });
  });
});

describe("a policy", () => {
  const TEXT =
    "hash username, drop **.ip, hash public_metadata.a, drop unsafe_metadata.b, hash email_addresses.email_address";

  test("changes nothing more when it is applied again, whatever the object", () => {
    fc.assert(
      fc.property(
        fc.record({
          username: fc.option(fc.string()),
          public_metadata: fc.dictionary(fc.constantFrom("a", "b", "ip", "__proto__"), fc.jsonValue()),
          unsafe_metadata: fc.jsonValue(),
          email_addresses: fc.array(fc.record({ email_address: fc.string(), ip: fc.jsonValue() })),
        }),
        (user) => {
          const once = kept(TEXT, user);
          expect(kept(TEXT, once)).toEqual(once);
          expect(JSON.stringify(once)).not.toContain('"ip":"');
        },
      ),
    );
  });

  test("reaches any depth by **, also where values are nested deeper than the stack", () => {
    const json = `{"public_metadata":${'{"a":['.repeat(20_000)}{"ip":"1.2.3.4"}${"]}".repeat(20_000)}}`;
    const user = JSON.parse(json);
    policy("drop **.ip").apply("user", user);
    let inner = user.public_metadata;
    while (inner.a) inner = inner.a[0];
    expect(inner).toEqual({});
  });

  test("changes what memberships repeat of their user and their organization", () => {
    const membership = {
      id: "orgmem_1",
      role: "org:admin",
      organization: { id: "org_1", name: "Acme", private_metadata: { a: 1 } },
      public_user_data: {
        user_id: "user_1",
        first_name: "Ada",
        last_name: "L",
        identifier: "a@b.example",
        image_url: "x",
      },
    };
    const rules =
      "drop first_name, hash email_addresses.email_address, drop **.image_url, drop organization.private_metadata";
    expect(kept(rules, membership, "membership")).toEqual({
      ...membership,
      organization: { id: "org_1", name: "Acme", private_metadata: {} },
      public_user_data: {
        ...membership.public_user_data,
        first_name: null,
        identifier: hashed("a@b.example"),
        image_url: null,
      },
    });
    expect(kept(rules, { organization_memberships: [membership] })).toMatchObject({
      organization_memberships: [{ public_user_data: { first_name: null, image_url: null } }],
    });
  });

  test.each([
    ["drop email_addresses", "a@b.example"],
    ["drop phone_numbers.phone_number", "+15555550100"],
    ["drop username", "ada"],
    ["drop web3_wallets", "0x52908400098527886E0F7030069857D2E4169EE7"],
    ["drop **.identifier", "ada"],
  ])("%s drops it where a membership names its user by it", (rule, identifier) => {
    const member = { public_user_data: { user_id: "user_1", identifier } };
    expect(kept(rule, member, "membership")).toEqual({
      public_user_data: { user_id: "user_1", identifier: null },
    });
    expect(kept("drop last_name", member, "membership")).toEqual(member);
  });

  test("has a fingerprint that follows from the rules and the key they need, in whatever order and spelling", () => {
    const one = policy("hash username, drop locale").fingerprint;
    expect(policy("drop user.locale; hash user.username").fingerprint).toBe(one);
    const others = [
      policy("hash username"),
      policy("drop username, drop locale"),
      policy("hash username, drop locale", "another key, longer"),
    ];
    expect(new Set([one, ...others.map(({ fingerprint }) => fingerprint)]).size).toBe(4);
    expect(policy("drop locale", null).fingerprint).toBe(
      policy("drop locale", "any key, it isn't used").fingerprint,
    );
    expect(policy("", null).fingerprint).toBeNull();
  });
});
