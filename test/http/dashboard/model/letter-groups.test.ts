import { expect, test } from "vitest";
import { groupLetters } from "../../../../src/http/dashboard/model/letter-groups.js";
import type { ShownLetter } from "../../../../src/http/routes/dead-letters.js";

const letter = (id: string, error: string, more: Partial<ShownLetter> = {}): ShownLetter => ({
  ...{
    id,
    error,
    kind: "user",
    type: "user.updated",
    user_id: null,
    attempts: 1,
    received_at: 5,
    tried_at: 5,
  },
  ...more,
});

test("letters are grouped by what went wrong, whatever ids, numbers and texts say, the largest group first", () => {
  const groups = groupLetters([
    letter("a", "no organization org_1234567 there"),
    letter("b", 'created_at: expected number, received "yesterday"'),
    letter("c", 'created_at: expected number, received "17"', { type: null, received_at: 1 }),
    letter("d", "line 17 of 4"),
    letter("e", "line 2 of 90"),
    letter("f", "created_at: expected number, received 'x'", { received_at: 9 }),
  ]);
  expect(groups.map(({ letters }) => letters.map(({ id }) => id))).toEqual([
    ["b", "c", "f"],
    ["d", "e"],
    ["a"],
  ]);
  expect(groups[0]).toMatchObject({
    types: ["user.updated", "user answered by Clerk"],
    firstAt: 1,
    lastAt: 9,
  });
  expect(new Set(groups.map(({ key }) => key)).size).toBe(groups.length);
});
