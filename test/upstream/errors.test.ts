import { describe, expect, test } from "vitest";
import { clerkErrorOf, dateMs, retryAfterMs, sentence } from "../../src/upstream/errors.js";

const retryAfter = (value: string, date?: string) =>
  retryAfterMs(new Headers({ "retry-after": value, ...(date !== undefined && { date }) }));

describe("Retry-After", () => {
  test.each([
    ["0", 0],
    [" 7 ", 7000],
    ["1.5", 1500],
    ["86400", 86_400_000],
    ["99999999999999999999", 1e23],
  ])("in seconds is taken as it is: %j", (value, ms) => {
    expect(retryAfter(value)).toBe(ms);
  });

  test.each([
    "",
    "-5",
    "soon",
    "in 12 minutes",
    "1e3",
    "0x10",
    "7, 7",
    "NaN",
    "Infinity",
    "Mon, 99 Foo 2026 00:00:00 GMT",
  ])("that says nothing is none: %j", (value) => {
    expect(retryAfter(value)).toBeNull();
  });

  test("is none where there is no header", () => {
    expect(retryAfterMs(new Headers())).toBeNull();
  });

  test.each([
    ["Sun, 06 Nov 1994 08:49:37 GMT"],
    ["Sunday, 06-Nov-94 08:49:37 GMT"],
    ["Sun Nov  6 08:49:37 1994"],
  ])("as a date is read by the clock of whoever sent it, however far ours is off: %s", (value) => {
    expect(retryAfter(value, "Sun, 06 Nov 1994 08:49:30 GMT")).toBe(7000);
    expect(retryAfter(value, "Sun, 06 Nov 1994 08:50:30 GMT")).toBe(0);
    expect(retryAfter(value)).toBe(0);
  });
});

test("the time of an answer is what its Date header says, or unknown", () => {
  expect(dateMs(new Headers({ date: "Sun, 06 Nov 1994 08:49:37 GMT" }))).toBe(784_111_777_000);
  for (const date of ["", "0", "yesterday 12"]) expect(dateMs(new Headers({ date }))).toBeNull();
  expect(dateMs(new Headers())).toBeNull();
});

test("Clerk's code is read in lower case, whoever stands in for Clerk", () => {
  const body = { errors: [{ code: "RESOURCE_NOT_FOUND", message: "Not Found" }] };
  expect(clerkErrorOf(Buffer.from(JSON.stringify(body)))).toEqual({
    code: "resource_not_found",
    message: "Not Found",
  });
});

test("what Clerk says ends with one full stop, whether it came with one or without", () => {
  expect([sentence("Not found"), sentence("Not found.")]).toEqual(["Not found.", "Not found."]);
});
