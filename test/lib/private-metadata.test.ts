import fc from "fast-check";
import { expect, test } from "vitest";
import { splicePrivateMetadata, splitPrivateMetadata } from "../../src/lib/private-metadata.js";

const whole = (object: Record<string, unknown>, shown?: string) => {
  const { payload, privateAt, privateMetadata } = splitPrivateMetadata(object);
  const pieces = splicePrivateMetadata(
    Buffer.from(payload),
    privateAt,
    Buffer.from(shown ?? privateMetadata ?? "null"),
  );
  return String(Buffer.concat(pieces));
};

// Keys that are no array indexes keep their order; names and values in one to four bytes a character.
const member = fc.tuple(
  fc.string({ unit: "grapheme" }).map((name) => `k${name}`),
  fc.jsonValue(),
);

test("an object apart and together again is the same text, wherever its private metadata stands", () => {
  fc.assert(
    fc.property(fc.array(member), fc.array(member), fc.jsonValue(), (before, after, value) => {
      const object = { ...Object.fromEntries([...before, ["id", "user_1"]]), private_metadata: value };
      const { private_metadata: _, ...rest } = object;
      const first = { private_metadata: value, ...rest };
      const between = { ...object, ...Object.fromEntries(after) };
      for (const one of [object, first, between]) {
        expect(whole(one)).toBe(JSON.stringify(one));
        expect(whole(one, "null")).toBe(JSON.stringify({ ...one, private_metadata: null }));
      }
    }),
  );
});

test("an object without private metadata is shown without", () => {
  expect(whole({ id: "user_1" }, '{"secret":1}')).toBe('{"id":"user_1"}');
});
