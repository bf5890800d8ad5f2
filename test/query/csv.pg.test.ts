// Covers src/query/csv.ts

import { once } from "node:events";
import fc from "fast-check";
import { expect } from "vitest";
import { CSV_FIELDS, createCsv } from "../../src/query/csv.js";
import type { Projected } from "../../src/query/field.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";
import { rowOf } from "../support/stored-row.js";

/** The records as Postgres reads them, which shares no code with what wrote them; null is an empty field without quotes. */
async function parse(db: TestDatabase, text: string, columns: number): Promise<(string | null)[][]> {
  const names = Array.from({ length: columns }, (_, n) => `c${n}`);
  return db.sql.begin(async (tx) => {
    await tx.unsafe(`create temporary table parsed (n integer generated always as identity,
      ${names.map((name) => `${name} text`).join(", ")}) on commit drop`);
    const copy = await tx.unsafe(`copy parsed (${names.join(", ")}) from stdin with (format csv)`).writable();
    copy.end(text);
    await once(copy, "finish");
    const rows = await tx.unsafe(`select ${names.join(", ")} from parsed order by n`).values();
    return [...rows] as (string | null)[][];
  });
}

const metadata = (key: string): Projected => ({
  kind: "metadata",
  object: "public",
  path: [key],
  text: `public_metadata.${JSON.stringify(key)}`,
});

const csvOf = (fields: readonly Projected[]) => createCsv(fields, { privateMetadata: true }, 0);

const shown = (fields: Record<string, unknown>, memberships: unknown = null) =>
  rowOf(clerkUser({ id: "user_1", ...fields }), memberships);

const written = (value: unknown) =>
  csvOf([metadata("k")])
    .record(shown({ public_metadata: { k: value } }))
    .slice(0, -2);

test("without fields a spreadsheet has these columns, times in ISO 8601", () => {
  const csv = csvOf(CSV_FIELDS);
  expect(csv.header).toBe(
    "id,external_id,username,first_name,last_name,email_address,phone_number,created_at,last_sign_in_at,last_active_at,banned\r\n",
  );
  const user = shown({ created_at: 1_790_000_000_123, last_active_at: 0, last_name: 'Love"lace, A.' });
  expect(csv.record(user)).toBe(
    'user_1,,,Ada,"Love""lace, A.",user_1@example.com,,2026-09-21T14:13:20.123Z,,1970-01-01T00:00:00.000Z,false\r\n',
  );
});

test("times are those of Clerk's members; numbers in metadata stay numbers, and what is nested is JSON", () => {
  const csv = csvOf([
    { kind: "member", name: "legal_accepted_at" },
    metadata("at_at"),
    { kind: "member", name: "public_metadata" },
    { kind: "field", name: "organization_id" },
  ]);
  const user = { legal_accepted_at: 1000, public_metadata: { at_at: 1000 } };
  expect(csv.record(shown(user, [["org_1", "org:admin"]]))).toBe(
    '1970-01-01T00:00:01.000Z,1000,"{""at_at"":1000}","[""org_1""]"\r\n',
  );
  const odd = csvOf([{ kind: "member", name: "legal_accepted_at" }]);
  expect(odd.record(shown({ legal_accepted_at: 1e300 }))).toBe("1e+300\r\n");
  expect(odd.record(shown({ legal_accepted_at: "soon" }))).toBe("soon\r\n");
});

test("text that a spreadsheet would run gets an apostrophe before it, and numbers don't", () => {
  const harmless = ["1=1", "-5", "+4912345", "-1.5e3", "+.5", "a@b", " =1", "'=1", "[1]"];
  for (const text of harmless) expect(written(text)).toBe(text);
  for (const text of ["=1+1", "@SUM(A1)", "\tx", "+", "-", "--1", "+49 123", "-1-1", "+1e", "-x"]) {
    expect(written(text)).toBe(`'${text}`);
  }
  expect(written("\rx")).toBe(`"'\rx"`);
  expect(written('=HYPERLINK("x")')).toBe(`"'=HYPERLINK(""x"")"`);
  expect([-5, 0.5, true, ["=1"]].map(written)).toEqual(["-5", "0.5", "true", '"[""=1""]"']);
});

test("a text that begins like a number of many digits takes a time that grows with its length", () => {
  const text = `+${"1".repeat(200_000)}x`;
  expect(written(text)).toBe(`'${text}`);
});

test("a single empty field is no empty line", () => {
  expect(written(null)).toBe('""');
  expect(written("")).toBe('""');
});

test("any text is read back as it was by a parser that isn't ours", async ({ db }) => {
  const hostile = fc.string({
    unit: fc.oneof(
      fc.constantFrom(...`"',;=+-@\t\r\n |\\N.`, "\r\n", '""', "\u2028", "\ufeff", "é", "😀"),
      fc.constantFrom("a", "Z", "ß", "漢", "\u200b", "e\u0301", "👩‍🚀"),
    ),
    maxLength: 12,
  });
  const usable = hostile.filter((text) => !text.includes("\0") && text.isWellFormed());
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(usable, { minLength: 1, maxLength: 4 }),
      fc.array(fc.array(fc.option(usable), { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 40 }),
      async (keys, users) => {
        const fields = keys.map(metadata);
        const csv = csvOf(fields);
        const records = users.map((values) => {
          const entries = keys.map((key, n) => [key, values[n]]);
          return csv.record(shown({ public_metadata: Object.fromEntries(entries) }));
        });
        const [header, ...rows] = await parse(db, csv.header + records.join(""), keys.length);
        expect(header).toEqual(fields.map((field) => (field.kind === "metadata" ? field.text : "")));
        const unguarded = rows.map((row) => row.map((text) => (text ?? "").replace(/^'(?=[=@\t\r+-])/, "")));
        const expected = users.map((values) =>
          keys.map((_, n) => (values[n] ?? "").replace(/^'(?=[=@\t\r+-])/, "")),
        );
        expect(unguarded).toEqual(expected);
      },
    ),
    { numRuns: 40 },
  );
}, 120_000);
