// Covers src/query/{field,order-keys}.ts

import fc from "fast-check";
import postgres from "postgres";
import { expect } from "vitest";
import { tablesOf } from "../../src/query/columns.js";
import { FIELD_NAMES, type FieldRef } from "../../src/query/field.js";
import { fieldValue } from "../../src/query/order-keys.js";
import { Parameters } from "../../src/query/parameters.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import { userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { test } from "../support/database.js";

const SEVERAL: readonly string[] = ["provider", "organization_id", "organization_role"];

test("each field with one value has it as orders compare it: folded, of several the primary one", async ({
  db,
}) => {
  const user = clerkUser({
    ...{ id: "user_1", external_id: "Ext", username: "Ann", first_name: "Ann", last_name: "SMITH" },
    ...{ primary_email_address_id: "b", has_image: true, created_at: 5, updated_at: 6 },
    email_addresses: [
      { id: "a", email_address: "Other@Old.org" },
      { id: "b", email_address: "Ann@Acme.COM" },
    ],
    public_metadata: { plan: "Pro", "1": { a: [1] }, none: null, list: ["x"] },
  });
  await applyItems(db.sql, [{ users: [userSnapshot(user, "page", 1)], memberships: [] }], { lagMs: 1 });
  const read = async (field: FieldRef) => {
    const params = new Parameters();
    const { sql, table } = fieldValue(field, { params, nowMs: 9 });
    const [row] = await db.sql.unsafe<{ value: unknown }[]>(
      `select ${sql} as value from ${tablesOf(new Set(["search", table ?? "search"])).from}`,
      [...params.values],
    );
    return row?.value;
  };
  const values = await Promise.all(
    FIELD_NAMES.filter((name) => !SEVERAL.includes(name)).map(async (name) => [
      name,
      await read({ kind: "field", name }),
    ]),
  );
  expect(Object.fromEntries(values)).toEqual({
    ...{ id: "user_1", external_id: "Ext", username: "ann", first_name: "ann", last_name: "smith" },
    ...{ name: "ann smith", email_address: "ann@acme.com", email_domain: "acme.com", phone_number: null },
    ...{ web3_wallet: null, banned: false, locked: false, two_factor_enabled: false, password_enabled: true },
    ...{ has_image: true, created_at: 5, updated_at: 6, last_active_at: null, last_sign_in_at: null },
  });
  const metadata = (...path: string[]) => read({ kind: "metadata", object: "public", path, text: "" });
  expect(await metadata("plan")).toBe("Pro");
  expect(await metadata("1", "a")).toEqual([1]);
  expect(await metadata("list", "0")).toBeNull();
  expect(await metadata("none")).toBeNull();
  expect(await metadata("plan", "x")).toBeNull();
});

/** The values as an order by metadata has them, and how Postgres makes it. */
async function orderedIn(sql: postgres.Sql, values: readonly unknown[]) {
  const params = new Parameters();
  const by = fieldValue({ kind: "metadata", object: "public", path: ["k"], text: "" }, { params, nowMs: 0 });
  const rows = params.jsons(values.map((k) => JSON.stringify({ k })));
  const statement = `with m (public_metadata) as materialized (select unnest(${rows}))
    select public_metadata -> 'k' as value from m order by ${by.sql}`;
  const ordered = await sql.unsafe(statement, [...params.values]);
  const plan = await sql.unsafe(`explain (verbose) ${statement}`, [...params.values]);
  return { values: ordered.map(({ value }) => value), plan: plan.map((row) => row["QUERY PLAN"]).join("\n") };
}

const byCodePoints = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other));

test("texts in metadata are ordered by code points before all else, whatever the database's locale", async ({
  db,
}) => {
  const unit = fc.constantFrom(..."aAbBzZ019 -_.äÄåéßИ日\u{1f600}\u0301\u0001\uffff", "aa", "ch", "ff");
  const texts = fc.sample(fc.string({ unit, maxLength: 5 }), { numRuns: 2000, seed: 5 });
  const others = [-0.5, 3, 20, false, true];
  const wanted = [...[...texts].sort(byCodePoints), ...others];
  const given = [...others, ...texts];

  const own = await orderedIn(db.sql, given);
  expect(own.values).toEqual(wanted);
  expect(
    own.plan.includes("convert_to"),
    "where the locale is that of code points, nothing is computed",
  ).toBe(false);

  for (const locale of ["en-US", "da-DK", "cy"]) {
    const name = `order_keys_${locale.replace("-", "_").toLowerCase()}`;
    await db.sql.unsafe(
      `create database ${name} template template0 locale_provider icu icu_locale '${locale}'`,
    );
    const other = postgres(db.url.replace(/\/[^/]*$/, `/${name}`), { max: 1, onnotice: () => {} });
    try {
      expect((await orderedIn(other, given)).values, locale).toEqual(wanted);
    } finally {
      await other.end();
      await db.sql.unsafe(`drop database ${name} with (force)`);
    }
  }
});
