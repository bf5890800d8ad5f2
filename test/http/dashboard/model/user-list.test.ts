// Covers src/http/dashboard/model/user-list.ts, src/http/dashboard/parts/links.ts

import { describe, expect, test } from "vitest";
import { SCOPES } from "../../../../src/auth/scopes.js";
import {
  languagesOf,
  paramsOfUserList,
  readUserList,
  wholeFilter,
} from "../../../../src/http/dashboard/model/user-list.js";

const CONTEXT = { nowMs: 1_800_000_000_000, scopes: new Set(SCOPES) };
const read = (search: string) => readUserList(new URLSearchParams(search), CONTEXT);

describe("the address of the list of users", () => {
  test("without parameters shows everybody with the usual columns, the newest first", () => {
    const list = read("");
    expect(list).toMatchObject({
      order: "-created_at",
      cursor: null,
      problems: new Map(),
      textProblem: null,
    });
    expect(list.columns).toContain("email_address");
    expect(wholeFilter(list)).toEqual({});
    expect(paramsOfUserList(list).toString()).toBe("");
  });

  test.each([
    "q=ann",
    "q=ann&field=banned&op=eq&value=false&column=username&column=public_metadata.plan&order=username",
    "match=any&field=banned&op=eq&value=true&field=locked&op=eq&value=true&count=exact",
    "filter=%7B%22not%22%3A%7B%22banned%22%3Atrue%7D%7D&cursor=abc",
    "filter=userName+eqx",
  ])("says the whole list: %s", (search) => {
    expect(paramsOfUserList(read(search)).toString()).toBe(search);
  });

  test("turns a filter that rows can say into rows, in JSON and in SCIM", () => {
    for (const filter of ['{"public_metadata.plan":"pro"}', 'public_metadata.plan eq "pro"']) {
      const list = read(new URLSearchParams({ filter }).toString());
      expect(list.rows?.rows).toEqual([{ field: "public_metadata.plan", operator: "eq", value: "pro" }]);
      expect(paramsOfUserList(list).get("field")).toBe("public_metadata.plan");
    }
    expect(read('filter={"not":{"banned":true}}').rows).toBeNull();
  });

  test("tells what is wrong with a filter as text", () => {
    expect(read("filter=userName+eqx").textProblem).toContain("position");
    expect(read("filter={").textProblem).not.toBeNull();
    expect(read('filter={"nickname":1}').textProblem).toContain("nickname");
    const reader = { nowMs: 0, scopes: new Set(["users:read"] as const) };
    const hidden = readUserList(new URLSearchParams('filter={"private_metadata.a":1}'), reader);
    expect(hidden.textProblem).toContain("private_metadata:read");
  });

  test("has columns by name or separated by commas, paths with commas too, each once", () => {
    expect(read('column=id&column=public_metadata."a,b", username,id').columns).toEqual([
      "id",
      'public_metadata."a,b"',
      "username",
    ]);
  });

  test("searches within the filter", () => {
    expect(wholeFilter(read("q=ann"))).toEqual({ any: { contains: "ann" } });
    expect(wholeFilter(read("q=ann&field=banned&op=eq&value=true"))).toEqual({
      and: [{ banned: true }, { any: { contains: "ann" } }],
    });
  });
});

test("a filter is shown in both of its languages", () => {
  expect(languagesOf({ banned: true })).toEqual({
    json: '{"banned":true}',
    scim: { text: "active eq false" },
  });
});
