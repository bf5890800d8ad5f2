import fc from "fast-check";
import { expect, test } from "vitest";
import { createTally } from "../../src/lib/tally.js";

test("counts what came and hasn't gone, each name by itself", () => {
  const step = fc.tuple(fc.constantFrom("a", "b", "constructor"), fc.constantFrom(1 as const, -1 as const));
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const tally = createTally();
      const inside: string[] = [];
      for (const [name, by] of steps) {
        if (by === -1 && !inside.includes(name)) continue;
        if (by === 1) inside.push(name);
        else inside.splice(inside.indexOf(name), 1);
        tally.add(name, by);
        for (const each of ["a", "b", "constructor"]) {
          expect(tally.of(each)).toBe(inside.filter((other) => other === each).length);
        }
      }
    }),
  );
});
