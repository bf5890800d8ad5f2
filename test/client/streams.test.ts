// Covers src/client/{lines,events}.ts

import fc from "fast-check";
import { expect, test } from "vitest";
import { eventsIn, type ServerEvent } from "../../src/client/events.js";
import { linesOf } from "../../src/client/lines.js";

async function* piecesOf(text: string, cuts: readonly number[]): AsyncGenerator<string> {
  const at = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length];
  for (let n = 1; n < at.length; n++) yield text.slice(at[n - 1], at[n]);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const cuts = fc.array(fc.nat(), { maxLength: 8 });
const pieceOfLine = fc.string({ unit: fc.constantFrom("a", ":", " ", "é", "🙂", "{", "\u2028", "\ufeff") });

test("a text gives the same lines wherever it is cut and however they end", async () => {
  const endings = fc.constantFrom("\n", "\r\n", "\r");
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(pieceOfLine, endings)), cuts, async (lines, at) => {
      // An empty line behind a \r would make one ending out of two.
      const given = lines.map(
        ([line, end], n) => [lines[n + 1]?.[0] === "" ? `${line}.` : line, end] as const,
      );
      const whole = given.map(([line, end]) => (line === "" ? `-${end}` : line + end)).join("");
      const expected = given.map(([line]) => (line === "" ? "-" : line));
      expect(await all(linesOf(piecesOf(whole, at)))).toEqual(expected);
      const open = await all(linesOf(piecesOf(`${whole}end`, at)));
      expect(open).toEqual([...expected, "end"]);
    }),
  );
});

test("events come as they were written, wherever the text is cut", async () => {
  const words = fc.stringMatching(/^[a-z]{1,8}$/);
  const events = fc.array(
    fc.record({
      type: words,
      id: words,
      data: fc.array(fc.stringMatching(/^[^\r\n\0]*$/), { minLength: 1, maxLength: 3 }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(events, cuts, async (sent, at) => {
      const text = sent
        .map(
          ({ type, id, data }) =>
            `: comment\nevent: ${type}\nid: ${id}\n${data.map((line) => `data: ${line}\n`).join("")}\n`,
        )
        .join("");
      const expected = sent.map(({ type, id, data }) => ({ type, id, data: data.join("\n") }));
      expect(await all(eventsIn(linesOf(piecesOf(text, at))))).toEqual(expected);
    }),
  );
});

test.each<[string, ServerEvent[]]>([
  ["data: a\n\n", [{ type: "message", id: "", data: "a" }]],
  [
    "id: 1\ndata: a\n\ndata: b\n\n",
    [
      { type: "message", id: "1", data: "a" },
      { type: "message", id: "1", data: "b" },
    ],
  ],
  ["event: bookmark\nid: 2\ndata\n\n", [{ type: "bookmark", id: "2", data: "" }]],
  ["\ufeffdata:a\n\n", [{ type: "message", id: "", data: "a" }]],
  ["id: 1\n\ndata:  two\n\n", [{ type: "message", id: "1", data: " two" }]],
  ["data: never ended", []],
  [": only a comment\n\n", []],
])("%j gives %j", async (text, expected) => {
  expect(await all(eventsIn(linesOf(piecesOf(text, []))))).toEqual(expected);
});
