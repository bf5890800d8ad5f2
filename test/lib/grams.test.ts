import fc from "fast-check";
import { expect, test } from "vitest";
import { haveSameGrams, rareGrams, rareGramsInParts } from "../../src/lib/grams.js";
import { createPause } from "../../src/lib/turns.js";

/** What the pieces are, said as shortly as possible. */
function piecesOf(search: string): string[] {
  const pieces = search.split("\n").flatMap((field) => {
    const characters = [...field];
    return characters.flatMap((one, n) => (n === 0 ? [one] : [one, `${characters[n - 1]}${one}`]));
  });
  return [...new Set(pieces.filter((piece) => !/^[a-z0-9]+$/.test(piece)))];
}

test("all pieces of one and two characters are found but those of a-z0-9, in the order in which they end", () => {
  const character = fc.constantFrom(..."abz059@._-{`/:\n éß😀𝒳", "\ud83d", "\ude00");
  fc.assert(
    fc.property(fc.array(character, { maxLength: 30 }), (characters) => {
      const text = characters.join("");
      expect(rareGrams(text)).toEqual(piecesOf(text));
    }),
    { numRuns: 500 },
  );
});

test("a text looked at in parts has the same pieces, in the same order, as one looked at whole", async () => {
  const characters = fc.constantFrom("a", "7", "é", "\n", "😀", "𝒳", "ß", " ");
  await fc.assert(
    fc.asyncProperty(
      fc.array(characters, { minLength: 1, maxLength: 50 }),
      fc.nat(200),
      async (unit, offset) => {
        const text = "x".repeat(offset) + unit.join("").repeat(300);
        expect(await rareGramsInParts(text, createPause(0))).toEqual(rareGrams(text));
      },
    ),
    { numRuns: 40 },
  );
});

test("texts are said to have the same pieces only if they have", () => {
  const field = fc
    .array(fc.constantFrom("a", "b", "7", "é", "@", " "), { maxLength: 4 })
    .map((all) => all.join(""));
  const text = fc.array(field, { minLength: 1, maxLength: 3 }).map((fields) => fields.join("\n"));
  let same = 0;
  fc.assert(
    fc.property(text, text, (one, other) => {
      if (!haveSameGrams(one, other)) return;
      same++;
      expect(rareGrams(other)).toEqual(rareGrams(one));
    }),
    { numRuns: 2000 },
  );
  expect(same).toBeGreaterThan(20);
  expect(haveSameGrams("user_1\nada\nlovelace", "user_1\nemma\nlovelace")).toBe(true);
  expect(haveSameGrams("ada lovelace", "ella lovelace")).toBe(true);
  expect(haveSameGrams("ada lovelace", "grace lovelace")).toBe(false);
});
