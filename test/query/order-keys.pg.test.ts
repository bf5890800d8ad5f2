// Covers src/query/{field,order-keys}.ts

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
