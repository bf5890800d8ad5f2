import { expect, test } from "vitest";
import { letterContent } from "../../src/lib/letter-content.js";

const hidden = (payload: Buffer) => letterContent(payload, { showPrivate: false });
const whole = (payload: Buffer) => letterContent(payload, { showPrivate: true });

test("a dead letter's content is shown without private metadata, at whatever depth, unless asked for", () => {
  const secret = { private_metadata: { note: "secret" } };
  const user = { id: "user_1", ...secret, organization_memberships: [{ organization: secret, ...secret }] };
  const own = { public_metadata: { private_metadata: "the user's own word" } };
  const letter = Buffer.from(JSON.stringify({ type: "user.created", data: { ...user, ...own } }));
  const { text, encoding } = hidden(letter);
  expect(encoding).toBe("utf8");
  expect(JSON.parse(text ?? "")).toEqual({
    type: "user.created",
    data: {
      id: "user_1",
      private_metadata: null,
      organization_memberships: [{ organization: { private_metadata: null }, private_metadata: null }],
      ...own,
    },
  });
  expect(whole(letter)).toEqual({ text: letter.toString(), encoding: "utf8" });
});

test("a member named twice, or with escapes, is private as well", () => {
  const twice = '{"private_metadata":"secret","private_metadata":{"b":"secret"}}';
  const escaped = '{"private\\u005fmetadata":"secret"}';
  for (const text of [twice, escaped])
    expect(hidden(Buffer.from(text)).text).toBe('{"private_metadata":null}');
});

test.each([
  ["isn't JSON", Buffer.from('{"private_metadata":{"note":"secret')],
  ["isn't UTF-8", Buffer.from('{"first_name":"\xff","private_metadata":{"note":"secret"}}', "latin1")],
  ["is nested too deep", Buffer.from(`${"[".repeat(200_000)}"secret"${"]".repeat(200_000)}`)],
])("of content that %s nothing is shown unless asked for, and then every byte", (_, payload) => {
  expect(hidden(payload)).toEqual({ text: null, encoding: null });
  const { text, encoding } = whole(payload);
  expect(Buffer.from(text ?? "", encoding ?? "utf8").equals(payload)).toBe(true);
});
