// Covers src/lib/field-policy/members.ts, src/lib/key-path.ts

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { KEPT_MEMBERS, MEMBERS } from "../../../src/lib/field-policy/members.js";
import { parseFieldPolicy } from "../../../src/lib/field-policy/rules.js";

describe("a field policy", () => {
  test("is rules between commas, semicolons or line breaks, about users unless they say otherwise", () => {
    const text = `drop phone_numbers, hash email_addresses.email_address;
      drop user.public_metadata."a.b, c".d
      drop organization.private_metadata, drop membership.public_user_data.image_url;; drop **.ip_address`;
    expect(parseFieldPolicy(text)).toEqual({
      problems: [],
      rules: [
        { action: "drop", kind: "user", path: ["phone_numbers"] },
        { action: "hash", kind: "user", path: ["email_addresses", "email_address"] },
        { action: "drop", kind: "user", path: ["public_metadata", "a.b, c", "d"] },
        { action: "drop", kind: "organization", path: ["private_metadata"] },
        { action: "drop", kind: "membership", path: ["public_user_data", "image_url"] },
        { action: "drop", kind: "user", path: ["**", "ip_address"] },
      ],
    });
    expect(parseFieldPolicy("")).toEqual({ rules: [], problems: [] });
  });

  test.each([
    ["mask username", /rule 1, "mask username": begins with drop or hash/],
    ["drop username, drop", /rule 2, "drop": begins with drop or hash/],
    ["drop phone_nubmers", /Clerk's user has no member phone_nubmers/],
    ["drop organization.username", /Clerk's organization has no member username/],
    ["drop user", /must say which member of the user/],
    ["drop id", /can't do without id/],
    ["hash updated_at", /can't do without updated_at/],
    ["drop membership.organization.name", /can't do without organization/],
    ["drop membership.public_user_data", /can't do without public_user_data/],
    ["hash membership.public_user_data.user_id", /can't do without user_id/],
    ["drop **.user_id", /can't do without user_id/],
    ["drop **.a.b", /takes one name/],
    ["drop public_metadata.**.a", /stands in front/],
    ["hash email_addresses", /only single values are hashed/],
    ["hash private_metadata", /only single values are hashed/],
    ["drop public_metadata..a", /no member at character 17/],
    ['drop public_metadata."a', /quote that isn't closed/],
  ])("%j is refused, with the rule and what is wrong", (text, problem) => {
    const { problems } = parseFieldPolicy(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
  });

  test("takes a member that Clerk may have by now in quotes", () => {
    expect(parseFieldPolicy('drop "new_member"').rules).toMatchObject([{ path: ["new_member"] }]);
  });

  test("knows every member of Clerk's contract", () => {
    const { components } = JSON.parse(
      readFileSync(join(import.meta.dirname, "../../../src/http/openapi/clerk-users.json"), "utf8"),
    );
    for (const [kind, name] of [
      ["user", "User"],
      ["organization", "Organization"],
      ["membership", "OrganizationMembership"],
    ] as const) {
      const known = new Set([...MEMBERS[kind], ...KEPT_MEMBERS]);
      expect(Object.keys(components.schemas[name].properties).filter((member) => !known.has(member))).toEqual(
        [],
      );
    }
  });
});
