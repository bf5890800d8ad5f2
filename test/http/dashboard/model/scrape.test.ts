import { expect, test } from "vitest";
import { samplesOf } from "../../../../src/http/dashboard/model/scrape.js";

test("samples are read from Prometheus' text, escaped labels too, and nothing from what is none", () => {
  const text =
    '# HELP a b\na 1\nb{x="1",y="a \\"b\\"\\n\\\\"} 2.5e3 1700000000\nnot a sample\nc{} NaN\nd{x="}"} +Inf\n\n';
  expect(samplesOf(text)).toEqual([
    { name: "a", labels: {}, value: 1 },
    { name: "b", labels: { x: "1", y: 'a "b"\n\\' }, value: 2500 },
  ]);
});
