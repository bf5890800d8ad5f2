import { expect, test } from "vitest";
import { createAuthenticator } from "../../src/auth/keys.js";
import { SCOPES } from "../../src/auth/scopes.js";
import { AppError } from "../../src/lib/errors.js";

const keys = { secretKey: "sk_test_abc", mirrorApiKey: "um_bootstrap", acceptClerkSecretKey: true };

function refusal(authorization: string | null, options = keys): string | undefined {
  try {
    createAuthenticator(options)(authorization);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect((error as AppError).code).toBe("unauthenticated");
    return (error as AppError).clerkCode;
  }
  return undefined;
}

test("gives MIRROR_API_KEY every scope", () => {
  const principal = createAuthenticator(keys)("Bearer um_bootstrap");
  expect([...principal.scopes]).toEqual([...SCOPES]);
});

test("gives Clerk's secret key what Clerk would answer it, and nothing of the mirror's own", () => {
  const principal = createAuthenticator(keys)("bearer  sk_test_abc");
  expect([...principal.scopes].sort()).toEqual([
    "private_metadata:read",
    "proxy",
    "users:read",
    "users:write",
  ]);
});

test("refuses Clerk's secret key where it is not accepted", () => {
  expect(refusal("Bearer sk_test_abc", { ...keys, acceptClerkSecretKey: false })).toBe("clerk_key_invalid");
});

test.each([null, ""])("asks for a key where none was sent (%j)", (header) => {
  expect(refusal(header)).toBe("authentication_invalid");
});

test.each(["Bearer", "Bearer ", "Basic dTpw", "sk_test_abc", "Bearer a b", "Bearer sk_test_abc, Bearer x"])(
  "says that %j is malformed",
  (header) => {
    expect(refusal(header)).toBe("authorization_header_format_invalid");
  },
);

test.each(["sk_test_ab", "sk_test_abcd", "SK_TEST_ABC", "x"])("knows no key %s", (key) => {
  expect(refusal(`Bearer ${key}`)).toBe("clerk_key_invalid");
});

test("never names a key's value", () => {
  expect(() => createAuthenticator(keys)("Bearer sk_test_confidential")).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining("confidential") }),
  );
});
