// Covers src/lib/private-metadata.ts

import fc from "fast-check";
import { expect, test } from "vitest";
import { putTimes, splicePrivateMetadata, splitUser, TIMES } from "../../src/lib/user-text.js";

interface Shown {
  privateMetadata?: string;
  times?: Record<string, number>;
}

/** The object apart and together again, with what is to be shown in the place of what it had. */
function whole(object: Record<string, unknown>, timesApart = true, { privateMetadata, times }: Shown = {}) {
  const text = splitUser(object, { timesApart });
  const payload = Buffer.from(text.payload);
  const shown = { ...object, ...times };
  const digits = TIMES.map((name) => (shown[name] ? Buffer.from(String(shown[name])) : null));
  if (text.timePlaces !== null) putTimes(payload, text.timePlaces, digits);
  const pieces = splicePrivateMetadata(
    payload,
    text.privatePlace,
    Buffer.from(privateMetadata ?? text.privateMetadata ?? "null"),
  );
  return { json: String(Buffer.concat(pieces)), ...text };
}

// Keys that are no array indexes keep their order; names and values in one to four bytes a character.
const member = fc.tuple(
  fc.string({ unit: "grapheme" }).map((name) => `k${name}`),
  fc.jsonValue(),
);
const time = fc.integer({ min: 1e12, max: 1e13 - 1 });
const maybe = fc.option(time, { nil: null });

test("an object apart and together again is the same text, wherever its private metadata stands", () => {
  fc.assert(
    fc.property(fc.array(member), fc.array(member), fc.jsonValue(), (before, after, value) => {
      const object = { ...Object.fromEntries([...before, ["id", "user_1"]]), private_metadata: value };
      const { private_metadata: _, ...rest } = object;
      const first = { private_metadata: value, ...rest };
      const between = { ...object, ...Object.fromEntries(after) };
      for (const one of [object, first, between]) {
        expect(whole(one).json).toBe(JSON.stringify(one));
        const hidden = JSON.stringify({ ...one, private_metadata: null });
        expect(whole(one, true, { privateMetadata: "null" }).json).toBe(hidden);
      }
    }),
  );
});

test("an object without private metadata is shown without", () => {
  expect(whole({ id: "user_1" }, true, { privateMetadata: '{"secret":1}' }).json).toBe('{"id":"user_1"}');
});

test("times that change are shown in the same text, wherever they stand and whatever stands around them", () => {
  const times = { updated_at: time, last_active_at: maybe, last_sign_in_at: maybe };
  const moved = fc.record({ updated_at: time, last_active_at: time, last_sign_in_at: time });
  fc.assert(
    fc.property(
      fc.array(member),
      fc.record(times),
      moved,
      fc.jsonValue(),
      fc.nat(),
      (others, own, later, value, seed) => {
        const members = [...others, ["id", "user_1"], ...Object.entries(own), ["private_metadata", value]];
        // Some order of them, the same for the same seed; nothing says where a sender puts a member.
        const turned = members.map((one, n) => [(seed * 31 + n * 17) % 101, one] as const);
        const user = Object.fromEntries(turned.sort(([a], [b]) => a - b).map(([, one]) => one));
        const set = Object.fromEntries(Object.entries(later).filter(([name]) => user[name] !== null));
        const { json, timePlaces } = whole(user, true, { times: set });
        expect(timePlaces).not.toBeNull();
        expect(json).toBe(JSON.stringify({ ...user, ...set }));
      },
    ),
  );
});

test("two visits leave the same payload", () => {
  const visit = (at: number) =>
    splitUser({ id: "user_1", updated_at: at, last_active_at: at }, { timesApart: true });
  expect(visit(1_700_000_000_000)).toEqual(visit(1_812_345_678_901));
  expect(visit(1_700_000_000_000).payload).not.toContain("1700000000000");
});

test("a time that another couldn't take the place of stays in the text, and so do all others", () => {
  const at = 1_700_000_000_000;
  for (const odd of [1, 999_999_999_999, 1e13, at + 0.5, String(at), -at, [at]]) {
    for (const name of TIMES) {
      const user = { id: "user_1", updated_at: at, last_active_at: at, last_sign_in_at: null, [name]: odd };
      expect(splitUser(user, { timesApart: true })).toEqual({
        ...{ payload: JSON.stringify(user), privateMetadata: null, privatePlace: null, timePlaces: null },
      });
    }
  }
});
