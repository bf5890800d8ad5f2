import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseBody, parseJson, parseJsonFilter } from "../../../src/query/language/json-text.js";
import { refusal } from "./refusal.js";

describe("a JSON text", () => {
  test("is read as JSON.parse reads it, and its outermost members are told with their texts", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat({ max: 3 }), (value, space) => {
        const text = JSON.stringify(value, null, space);
        const told: [string, unknown][] = [];
        expect(parseJson(text, "here", (key, json) => told.push([key, JSON.parse(json)]))).toEqual(
          JSON.parse(text),
        );
        const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
        expect(told).toEqual(isObject ? Object.entries(JSON.parse(text)) : []);
      }),
    );
  });

  test.each([
    ['{"a":1,"a":1}', "here.a"],
    ['{"a":1,"\\u0061":2}', "here.a"],
    ['{"a":{"b":[{},{"c":1,"d":[],"c":2}]}}', "here.a.b[1].c"],
    ['[[1,2],{"x y":"{,}","x y":0}]', 'here[1]["x y"]'],
    ['{"__proto__":1,"__proto__":2}', "here.__proto__"],
    ['{"":{"":1,"":1}}', 'here[""][""]'],
  ])("is refused where an object has a member twice: %s", (text, path) => {
    const refused = refusal(() => parseJson(text, "here"));
    expect(refused).toMatchObject({ code: "invalid_request", path });
    expect(refused.longMessage).toContain("stands twice");
  });

  test("names no more of a path than a request can have, however deep the member stands that is there twice", () => {
    const deep = 100_000;
    const text = `${"[".repeat(deep)}{"a":1,"a":1}${"]".repeat(deep)}`;
    const refused = refusal(() => parseJson(text, "here"));
    expect(refused.path).toBe(`here${"[0]".repeat(32)}`);
  });

  test.each([
    '{"a":1,"b":{"a":1}}',
    '[{"a":1},{"a":1}]',
    '{"a":"a","b":["a","a"]}',
    '{"a":"\\"a\\":1,\\"a\\":2"}',
  ])("may have a name in different objects: %s", (text) => {
    expect(parseJson(text, "here")).toEqual(JSON.parse(text));
  });

  test("can be nested as deep as it likes", () => {
    const text = "[".repeat(300_000) + "]".repeat(300_000);
    expect(parseJson(text, "here")).toHaveLength(1);
  });
});

describe("a body", () => {
  const parse = (text: string) => parseBody(text, { names: ["filter", "keys"], large: ["keys"] });

  test("is its members, whatever their names are to JavaScript", () => {
    expect([...parse('{"keys":[],"filter":{"__proto__":1}}').keys()]).toEqual(["keys", "filter"]);
    expect(refusal(() => parse('{"__proto__":{"filter":{}}}')).path).toBe("__proto__");
  });

  test.each(["", "{", '{"filter":}', "{'filter':1}", "nope", '{"filter":1}}'])("isn't %j", (text) => {
    expect(refusal(() => parse(text))).toMatchObject({
      code: "invalid_payload",
      message: "The body is not JSON.",
    });
  });

  test.each([
    ["[]", "body", "must be an object"],
    ["null", "body", "must be an object"],
    ["5", "body", "must be an object"],
    ['{"filters":{}}', "filters", "Did you mean filter?"],
    ['{"":{}}', '[""]', "is no member"],
    ['{"filter":{"a":1,"a":2}}', "filter.a", "stands twice"],
    ['{"filter":1,"filter":2}', "filter", "stands twice"],
  ])("%s is refused", (text, path, says) => {
    const { code, path: named, longMessage } = refusal(() => parse(text));
    expect({ code, named }).toEqual({ code: "invalid_request", named: path });
    expect(longMessage).toContain(says);
  });

  test("has members of 64 KiB at most, but for what may be large", () => {
    const longest = `"${"é".repeat(32 * 1024 - 1)}"`;
    expect(Buffer.byteLength(longest)).toBe(64 * 1024);
    expect(parse(`{"filter":${longest}}`).size).toBe(1);
    expect(refusal(() => parse(`{"keys":[],"filter":${longest} }`)).path).toBe("filter");
    expect(parse(`{"keys":${longest}  }`).size).toBe(1);
  });
});

test("a filter in a link is refused as filter where it isn't JSON or is too long", () => {
  expect(parseJsonFilter(' {"a":1}', "filter")).toEqual({ a: 1 });
  expect(refusal(() => parseJsonFilter('{"a":', "filter"))).toMatchObject({
    path: "filter",
    longMessage: expect.stringContaining("filter is not JSON"),
  });
  expect(refusal(() => parseJsonFilter(`{"a":"${"x".repeat(65_536)}"}`, "filter")).path).toBe("filter");
});
