import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSessions, SESSION_MS } from "../../../../src/http/dashboard/visit/session.js";

const SECRET = "sk_test_1";

describe("a session", () => {
  test("is opened by every process with the same secret, and by no other", () => {
    const cookie = createSessions(SECRET, () => 0).begin("um_key");
    expect(createSessions(SECRET, () => 1).open(cookie)).toEqual({ key: "um_key", endsAtMs: SESSION_MS });
    expect(createSessions("sk_test_2", () => 1).open(cookie)).toBeNull();
  });

  test("ends after twelve hours, to the millisecond", () => {
    const cookie = createSessions(SECRET, () => 1000).begin("um_key");
    expect(createSessions(SECRET, () => 1000 + SESSION_MS - 1).open(cookie)).not.toBeNull();
    expect(createSessions(SECRET, () => 1000 + SESSION_MS).open(cookie)).toBeNull();
  });

  test("is another cookie each time, which doesn't show its key", () => {
    const sessions = createSessions(SECRET, () => 0);
    const [one, other] = [sessions.begin("um_key"), sessions.begin("um_key")];
    expect(one).not.toBe(other);
    expect(Buffer.from(one, "base64url").toString("latin1")).not.toContain("um_key");
  });

  test("isn't opened if a single bit of its cookie differs", () => {
    const sessions = createSessions(SECRET, () => 0);
    const bytes = Buffer.from(sessions.begin("um_key"), "base64url");
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const changed = Buffer.from(bytes);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        return sessions.open(changed.toString("base64url")) === null;
      }),
      { numRuns: 500 },
    );
  });

  test("is never opened from what anybody could make up", () => {
    const sessions = createSessions(SECRET, () => 0);
    fc.assert(fc.property(fc.string({ maxLength: 2000 }), (cookie) => sessions.open(cookie) === null));
  });

  test("has a token of its own for forms", () => {
    const sessions = createSessions(SECRET, () => 0);
    const [one, other] = [sessions.begin("um_key"), sessions.begin("um_key")];
    expect(sessions.isToken(one, sessions.token(one))).toBe(true);
    expect(sessions.isToken(other, sessions.token(one))).toBe(false);
    expect(createSessions("sk_test_2", () => 0).isToken(one, sessions.token(one))).toBe(false);
  });
});
