import { describe, expect, test } from "vitest";
import { weaknessesOf } from "../../src/config/weaknesses.js";

const of = (apiUrl: string, mirrorApiKey: string | null = null) =>
  weaknessesOf({ clerk: { apiUrl }, keys: { mirrorApiKey } });
const LONG = "um_0123456789abcdef";

describe("it is said at the start", () => {
  test.each(["http://clerk.internal:8080", "http://10.1.2.3", "http://127.0.0.1.example.com"])(
    "that Clerk's secret key is sent to %s unencrypted",
    (url) => {
      expect(of(url, LONG)).toEqual([expect.stringMatching(/^CLERK_API_URL is http:.*unencrypted/)]);
    },
  );

  test.each(["https://api.clerk.com", "http://127.0.0.1:4000", "http://localhost:4000", "http://[::1]:4000"])(
    "of %s nothing",
    (url) => {
      expect(of(url, LONG)).toEqual([]);
      expect(of(url)).toEqual([]);
    },
  );

  test("that a short MIRROR_API_KEY can be guessed, without the key", () => {
    const [said, ...more] = of("https://api.clerk.com", "letmein");
    expect(said).toMatch(/^MIRROR_API_KEY has less than 16 characters/);
    expect([said?.includes("letmein"), more]).toEqual([false, []]);
    expect(of("https://api.clerk.com", "0123456789abcdef")).toEqual([]);
  });
});
