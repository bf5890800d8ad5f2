import fc from "fast-check";
import { expect, test } from "vitest";
import { rareGrams, rareGramsInParts } from "../../src/lib/grams.js";
import { createPause } from "../../src/lib/turns.js";

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
