import { createHmac } from "node:crypto";
import fc from "fast-check";
import { Webhook } from "svix";
import { expect, test } from "vitest";
import { createSignatureReader } from "../../src/http/webhook-signature.js";
import { AppError } from "../../src/lib/errors.js";

const secretOf = (bytes: Uint8Array) => `whsec_${Buffer.from(bytes).toString("base64")}`;
const SECRET = secretOf(Buffer.from("the first signing secret"));
const OTHER = secretOf(Buffer.from("the second signing secret"));

type Headers = Record<string, string>;

/** The one verdict; null: refused. */
function ours(secrets: readonly string[], headers: Headers, body: Buffer): string | null {
  try {
    const { messageId, verify } = createSignatureReader(secrets)((name) => headers[name]);
    verify(body);
    return messageId;
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: "bad_request", clerkCode: "request_body_invalid" });
    return null;
  }
}

/** The other one: Svix's library, asked once for each secret. */
function arbiters(secrets: readonly string[], headers: Headers, body: Buffer): string | null {
  for (const secret of secrets) {
    try {
      new Webhook(secret).verify(body, headers);
      return headers["svix-id"] ?? headers["webhook-id"] ?? "";
    } catch {
      // Another secret may have signed it.
    }
  }
  return null;
}

const now = () => Math.floor(Date.now() / 1000);

function headersOf(id: string, at: number, body: string, secret = SECRET, family = "svix"): Headers {
  return {
    [`${family}-id`]: id,
    [`${family}-timestamp`]: String(at),
    [`${family}-signature`]: new Webhook(secret).sign(id, new Date(at * 1000), body),
  };
}

const family = fc.constantFrom("svix", "webhook");
const id = fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/);
// What parses: the library verifies before it parses, and throws for both.
const body = fc.jsonValue().map((value) => JSON.stringify(value));
const secret = fc.constantFrom(SECRET, OTHER).chain((known) =>
  fc.oneof(
    fc.constant(known),
    fc.uint8Array({ minLength: 1, maxLength: 100 }).map(secretOf),
    // Without its prefix it is the same.
    fc.constant(known.slice("whsec_".length)),
  ),
);
// Far enough from the edge for a second to pass meanwhile.
const offset = fc.oneof(fc.integer({ min: -250, max: 250 }), fc.constantFrom(-400, 400, -1e6, 1e6, 1e12));

const mutations: fc.Arbitrary<(headers: Headers, body: Buffer) => [Headers, Buffer]> = fc.oneof(
  fc.constant((headers: Headers, bytes: Buffer): [Headers, Buffer] => [headers, bytes]),
  fc.nat().map((at) => (headers: Headers, bytes: Buffer): [Headers, Buffer] => {
    const changed = Buffer.from(bytes);
    changed[at % bytes.length] = 0x20 + ((changed[at % bytes.length] ?? 0) % 90);
    return [headers, changed];
  }),
  ...["id", "timestamp", "signature"].flatMap((name) => [
    family.map((of) => (headers: Headers, bytes: Buffer): [Headers, Buffer] => {
      const { [`${of}-${name}`]: _, ...rest } = headers;
      return [rest, bytes];
    }),
    fc
      .tuple(family, fc.constantFrom("", "v1,AAAA", "msg_other", "1"))
      .map(([of, value]) => (headers: Headers, bytes: Buffer): [Headers, Buffer] => [
        { ...headers, [`${of}-${name}`]: value },
        bytes,
      ]),
  ]),
  fc
    .array(
      fc.constantFrom(
        "v1",
        "v1,",
        "v1a,AAAA",
        "v2,",
        "",
        ",",
        `v1,${"A".repeat(44)}`,
        `v1,${"é".repeat(22)}`,
      ),
      { maxLength: 5 },
    )
    .chain((around) =>
      fc.nat(around.length).map((at) => (headers: Headers, bytes: Buffer): [Headers, Buffer] => {
        const all = Object.entries(headers).map(([name, value]) => [
          name,
          name.endsWith("-signature")
            ? [...around.slice(0, at), value, ...around.slice(at)].join(" ")
            : value,
        ]);
        return [Object.fromEntries(all), bytes];
      }),
    ),
  fc
    .constantFrom(
      (text: string) => `${text},more`,
      (text: string) => text.replace("v1,", "v1, "),
      (text: string) => text.replace("v1,", "V1,"),
      (text: string) => text.replace(/=+$/, ""),
      (text: string) => `${text}=`,
      (text: string) => text.replaceAll("+", "-").replaceAll("/", "_"),
      (text: string) => text.toLowerCase(),
      (text: string) => `${text}, ${text}`,
      (text: string) => text.replace("v1,", "v1a,"),
      (text: string) => `v1,${text}`,
    )
    .map((change) => (headers: Headers, bytes: Buffer): [Headers, Buffer] => {
      const all = Object.entries(headers).map(([name, value]) => [
        name,
        name.endsWith("-signature") ? change(value) : value,
      ]);
      return [Object.fromEntries(all), bytes];
    }),
);

test("the verdict is Svix's own, whatever is changed about a signed message", () => {
  const seen = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(
      fc.record({
        family,
        id,
        body,
        secret,
        offset,
        mutations,
        configured: fc.array(secret, { maxLength: 3 }),
      }),
      ({ family, id, body, secret, offset, mutations, configured }) => {
        const secrets = [...configured, SECRET];
        const [headers, raw] = mutations(
          headersOf(id, Math.max(0, now() + offset), body, secret, family),
          Buffer.from(body),
        );
        const verdict = ours(secrets, headers, raw);
        expect(verdict).toBe(isJson(raw) ? arbiters(secrets, headers, raw) : verdict);
        seen[verdict === null ? "refused" : "taken"]++;
      },
    ),
    { numRuns: 500 },
  );
  expect(seen.taken).toBeGreaterThan(20);
  expect(seen.refused).toBeGreaterThan(20);
});

function isJson(raw: Buffer): boolean {
  try {
    JSON.parse(raw.toString());
    return true;
  } catch {
    return false;
  }
}

test.each(["123abc", "1e9", " 1", "+1", "-1", "1.0", "0x1", "１", "", "NaN", "Infinity"])(
  "a timestamp is digits and nothing else: %j isn't one",
  (spelling) => {
    const body = "{}";
    for (const text of [spelling, spelling.replace(/^(.*)1(.*)$/, `$1${now()}$2`), `${now()}${spelling}x`]) {
      const headers = { ...headersOf("msg_1", now(), body), "svix-timestamp": text };
      expect(ours([SECRET], headers, Buffer.from(body))).toBeNull();
    }
  },
);

test("bytes that are no UTF-8 are verified as they are", () => {
  const raw = Buffer.from([0x7b, 0xff, 0xfe, 0x7d]);
  const at = now();
  const hmac = createHmac("sha256", Buffer.from(SECRET.slice("whsec_".length), "base64"));
  const signature = hmac.update(`msg_1.${at}.`).update(raw).digest("base64");
  const headers = {
    "svix-id": "msg_1",
    "svix-timestamp": String(at),
    "svix-signature": `v1,${signature}`,
  };
  expect(ours([SECRET], headers, raw)).toBe("msg_1");
  expect(ours([SECRET], headers, Buffer.from(raw.toString("utf8")))).toBeNull();
});

test("more signatures than anybody sends are refused without looking at them", () => {
  const headers = headersOf("msg_1", now(), "{}");
  const good = headers["svix-signature"] ?? "";
  const signed = (...signatures: string[]) =>
    ours([SECRET], { ...headers, "svix-signature": signatures.join(" ") }, Buffer.from("{}"));
  expect(signed(...Array(99).fill(`v1,${"A".repeat(44)}`), good)).toBe("msg_1");
  expect(signed(...Array(1400).fill(`v1,${"A".repeat(44)}`), good)).toBeNull();
});

test("what no body could make good is refused before one is read", () => {
  const read = createSignatureReader([SECRET]);
  const good = headersOf("msg_1", now(), "{}");
  const without = [
    { ...good, "svix-id": "" },
    { ...good, "svix-id": "m".repeat(501) },
    { ...good, "svix-timestamp": String(now() - 400) },
    { ...good, "svix-signature": "v1a,AAAA" },
    { ...good, "svix-signature": "v1,AAAA" },
  ];
  for (const headers of without) {
    expect(() => read((name) => (headers as Headers)[name])).toThrow(AppError);
  }
});
