import { join } from "node:path";
import { type Column, getViewName, getViewSelectedFields, isView } from "drizzle-orm";
import { describe, expect } from "vitest";
import * as contract from "../../../src/db/tables/sql-contract.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import {
  embeddedOrganization,
  gone,
  membershipSnapshot,
  userSnapshot,
} from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import { test } from "../../support/database.js";
import { tableOf, withParts } from "../../support/made-parts.js";
import { ROOT, readPage } from "../../support/markdown.js";

const views = Object.values(contract).filter((value) => isView(value));
const TYPES: Record<string, string> = { timestamp: "timestamp with time zone" };

describe("the schema mirror", () => {
  test("has every view and column that is exported for Drizzle, of that type, and no others", async ({
    db,
  }) => {
    const rows = await db.sql<{ view: string; name: string; type: string }[]>`
      select table_name as view, column_name as name, data_type as type
      from information_schema.columns where table_schema = 'mirror'`;
    const inDatabase = rows.map(({ view, name, type }) => `${view}.${name} ${type}`).sort();
    const exported = views.flatMap((view) =>
      (Object.values(getViewSelectedFields(view)) as Column[]).map((column) => {
        const type = column.getSQLType().split(" ")[0] ?? "";
        return `${getViewName(view)}.${column.name} ${TYPES[type] ?? type}`;
      }),
    );
    expect(exported.sort()).toEqual(inDatabase);
  });

  test("explains every view and every column", async ({ db }) => {
    const bare = await db.sql`
      select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
      where c.relnamespace = 'mirror'::regnamespace and a.attnum >= 0
        and (col_description(c.oid, a.attnum) is null or obj_description(c.oid, 'pg_class') is null)`;
    expect(bare).toEqual([]);
  });

  test("stands in docs/reference/sql.md as it explains itself (after a change: npx vitest run test/db/tables -u)", async ({
    db,
  }) => {
    const columns = await db.sql<{ view: string; said: string; name: string; type: string; about: string }[]>`
      select c.relname as view, obj_description(c.oid, 'pg_class') as said, a.attname as name,
        format_type(a.atttypid, a.atttypmod) as type, col_description(c.oid, a.attnum) as about
      from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
      where c.relnamespace = 'mirror'::regnamespace order by a.attnum`;
    const sections = views.map((view) => {
      const own = columns.filter((column) => column.view === getViewName(view));
      const never = new Set(
        (Object.values(getViewSelectedFields(view)) as Column[]).flatMap((one) =>
          one.notNull ? one.name : [],
        ),
      );
      const rows = own.map(({ name, type, about }) => [
        `\`${name}\``,
        type.replace(TYPES.timestamp ?? "", "timestamptz"),
        never.has(name) ? "" : "may be null",
        about,
      ]);
      const table = tableOf(["column", "type", "", ""], rows);
      return `### mirror.${getViewName(view)}\n\n${own[0]?.said}\n\n${table}`;
    });
    const { text } = readPage("docs/reference/sql.md");
    const page = withParts(text, { views: sections.join("\n\n") });
    await expect(page).toMatchFileSnapshot(join(ROOT, "docs/reference/sql.md"));
  });

  test("shows live rows only, with what jsonb can't hold as U+FFFD", async ({ db }) => {
    const organization = { id: "org_1", name: "Acme", created_at: 1, updated_at: 1 };
    const membership = membershipSnapshot(
      { id: "orgmem_1", created_at: 1, updated_at: 1, organization, public_user_data: { user_id: "user_1" } },
      "page",
      1,
    );
    const user = clerkUser({
      id: "user_1",
      public_metadata: { nul: "a\u0000b", half: "\ud83d" },
      private_metadata: { secret: "\u0000" },
    });
    await applyItems(
      db.sql,
      [
        {
          users: [userSnapshot(user, "page", 1), userSnapshot(clerkUser({ id: "user_2" }), "page", 1)],
          organizations: embeddedOrganization(membership.object, 1),
          memberships: [membership],
        },
        { users: [gone("user_2", "webhook", 2)] },
      ],
      { lagMs: 0 },
    );
    const [row] = await db.sql`select * from mirror.users`;
    expect(row).toMatchObject({
      id: "user_1",
      public_metadata: { nul: "a\uFFFDb", half: "\uFFFD" },
      created_at: new Date(1000),
      data: { id: "user_1", first_name: "Ada" },
    });
    expect(row?.data).not.toHaveProperty("private_metadata");
    expect(await db.sql`select * from mirror.user_private_metadata`).toEqual([
      { id: "user_1", private_metadata: { secret: "\uFFFD" } },
    ]);
    expect(await db.sql`select user_id, domain from mirror.email_addresses`).toEqual([
      { user_id: "user_1", domain: "example.com" },
    ]);
    expect(await db.sql`select organization_id, user_id from mirror.organization_memberships`).toHaveLength(
      1,
    );
  });

  test("says of a lock what the API says at this moment, in the column and in the whole user", async ({
    db,
  }) => {
    const locked = (id: string, seconds: number | null, lockedAtMs: number) =>
      userSnapshot(clerkUser({ id, locked: true, lockout_expires_in_seconds: seconds }), "page", lockedAtMs);
    const users = [
      locked("user_running", 7200, Date.now() - 3_600_000),
      locked("user_ended", 7200, Date.now() - 7_200_000),
      locked("user_for_ever", null, 1),
    ];
    await applyItems(db.sql, [{ users }], { lagMs: 0 });
    const rows = await db.sql`
      select id, locked, data->'locked' as "inData", data->'lockout_expires_in_seconds' as left
      from mirror.users order by id`;
    expect(rows).toEqual([
      { id: "user_ended", locked: false, inData: false, left: null },
      { id: "user_for_ever", locked: true, inData: true, left: null },
      { id: "user_running", locked: true, inData: true, left: expect.any(Number) },
    ]);
    const left = rows[2]?.left;
    expect([left > 0, left <= 3600]).toEqual([true, true]);
  });

  test("is read by mirror_reader without private metadata, and by mirror_reader_private with it", async ({
    db,
  }) => {
    const read = (role: string, view: string) =>
      db.sql.begin(async (tx) => {
        await tx.unsafe(`set local role ${role}`);
        return tx.unsafe(`select count(*)::int as n from mirror.${view}`);
      });
    expect(await read("mirror_reader", "users")).toEqual([{ n: 0 }]);
    await expect(read("mirror_reader", "user_private_metadata")).rejects.toThrow(/permission denied/);
    expect(await read("mirror_reader_private", "user_private_metadata")).toEqual([{ n: 0 }]);
    await expect(
      db.sql.begin(async (tx) => {
        await tx`set local role mirror_reader_private`;
        await tx`select from mirror_data.users`;
      }),
    ).rejects.toThrow(/permission denied/);
  });
});
