// Covers drizzle/0021_what_sql_asks_for.sql, drizzle/0022_views_that_walk_indexes.sql

import postgres from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import { freshDatabase } from "../support/database.js";
import { explainAnalyze } from "../support/explained.js";
import { fillWithUsers } from "../support/many-users.js";

const USERS = 100_000;
let sql: postgres.Sql;
let one: Record<string, unknown>;

beforeAll(async () => {
  const own = await freshDatabase();
  sql = postgres(own.url, { max: 1, onnotice: () => {} });
  await fillWithUsers(sql, USERS);
  await sql.unsafe(
    "create table app_orders as select id as user_id, 'order_' || n as id from (select id, row_number() over (order by id) as n from mirror_data.user_activity limit 50) as first",
  );
  await sql.unsafe("analyze app_orders");
  const [row] = await sql`
    select * from mirror.users where username is not null and phone_number is not null and external_id is not null limit 1`;
  one = row ?? {};
  return async () => {
    await sql.end();
    await own.drop();
  };
}, 240_000);

const TIMES = {
  created_at: "user_activity_created_time",
  updated_at: "user_activity_updated_time",
  last_active_at: "user_activity_last_active_time",
  last_sign_in_at: "user_activity_last_sign_in_time",
} as const;
const TIME_NAMES = Object.keys(TIMES) as (keyof typeof TIMES)[];

/** Reads no table from end to end, sorts nothing but what it has found, and reads few rows beside those that it shows. */
async function expectFew(statement: string, index: string, most = 2000): Promise<void> {
  const { indexes, wholeTables, rowsRead } = await explainAnalyze(sql, statement);
  expect({
    statement,
    indexes: [...indexes],
    wholeTables: [...wholeTables],
    isFew: rowsRead <= most,
  }).toEqual({
    statement,
    indexes: expect.arrayContaining([index]),
    wholeTables: [],
    isFew: true,
  });
}

describe("mirror.users", () => {
  test.for(TIME_NAMES.flatMap((name) => ["asc", "desc"].map((direction) => [name, direction] as const)))(
    "ordered by %s %s walks an index, with all columns",
    async ([name, direction]) => {
      const statement = `select * from mirror.users where ${name} is not null order by ${name} ${direction} limit 50`;
      await expectFew(statement, TIMES[name], 200);
      const { sorts } = await explainAnalyze(sql, statement);
      expect(sorts).toBe(0);
    },
  );

  test.for(TIME_NAMES)(
    "ordered by %s needs no condition for it, if nulls may come where Postgres puts them",
    async (name) => {
      const statement = `select * from mirror.users order by ${name} desc limit 50`;
      await expectFew(statement, TIMES[name], 200);
      expect((await explainAnalyze(sql, statement)).sorts).toBe(0);
    },
  );

  test.for(TIME_NAMES)("a range of %s is looked up", async (name) => {
    for (const range of [
      `${name} > now() - interval '2 hours'`,
      `${name} >= now() - interval '20 days' and ${name} < now() - interval '19 days'`,
      `${name} between '2024-03-01' and '2024-03-02'`,
    ]) {
      await expectFew(`select * from mirror.users where ${range}`, TIMES[name], 3000);
      await expectFew(`select count(*) from mirror.users where ${range}`, TIMES[name], 3000);
      await expectFew(
        `select id from mirror.users where ${range} order by ${name} desc limit 20`,
        TIMES[name],
        3000,
      );
    }
  });

  test.for([
    ["id", "id = $", "user_activity_pkey"],
    ["external_id", "external_id = $", "user_search_external_id"],
    ["username", "username = $", "users_username"],
    ["phone_number", "phone_number = $", "users_phone_number"],
    ["email_address", "email_address = $", "users_email_address"],
    ["email_address", "lower(email_address) = lower($)", "users_lower_email_address"],
    ["email_address", "email_address in ($, 'nobody@example.com')", "users_email_address"],
  ] as const)("by %s: where %s", async ([column, condition, index]) => {
    const where = condition.replace("$", `'${one[column]}'`);
    const statement = `select * from mirror.users where ${where}`;
    await expectFew(statement, index, 20);
    expect((await sql.unsafe(statement)).map(({ id }) => id)).toEqual([one.id]);
  });

  test("by email_domain", async () => {
    await expectFew(
      "select * from mirror.users where email_domain = 'd7.example'",
      "user_search_email_domain",
      1000,
    );
    await expectFew(
      "select count(*) from mirror.users where email_domain in ('d7.example', 'd8.example')",
      "user_search_email_domain",
    );
    const [row] = await sql`select count(*)::int as n from mirror.users where email_domain = 'd7.example'`;
    expect(row?.n).toBeGreaterThan(20);

    // One in twelve: these are found by the index, and joined with the narrowest table.
    const { indexes, wholeTables } = await explainAnalyze(
      sql,
      "select count(*) from mirror.users where email_domain = 'd0.example'",
    );
    expect([...indexes]).toContain("user_search_email_domain");
    expect(["user_activity"]).toEqual(expect.arrayContaining([...wholeTables]));
    await expectFew(
      "select id, email_address from mirror.users where email_domain = 'd0.example' order by created_at desc limit 50",
      TIMES.created_at,
      5000,
    );
  });

  test.for([
    [`public_metadata @> '{"plan":"trial"}'`, "user_metadata_public", 100],
    [`unsafe_metadata @> '{"n":14}'`, "user_metadata_unsafe", 100],
  ] as const)("where %s", async ([where, index, users]) => {
    await expectFew(`select * from mirror.users where ${where}`, index);
    const [row] = await sql.unsafe(`select count(*)::int as n from mirror.users where ${where}`);
    expect(row?.n).toBeGreaterThanOrEqual(users);
  });

  test("conditions join: the rarer one is looked up", async () => {
    await expectFew(
      `select * from mirror.users where not banned and public_metadata @> '{"plan":"trial"}' and created_at > now() - interval '1 year'`,
      "user_metadata_public",
    );
    await expectFew(
      "select id, email_address from mirror.users where not banned and last_active_at is not null order by last_active_at desc limit 50",
      TIMES.last_active_at,
      300,
    );
  });

  test.for(["join", "left join"])(
    "an application's own rows %s it by id, address or external id",
    async (join) => {
      await expectFewOf(
        `select o.id, u.email_address, u.data from app_orders o ${join} mirror.users u on u.id = o.user_id`,
      );
      const own =
        "(select o.id, e.email_address, e.external_id from app_orders o join mirror.users e on e.id = o.user_id limit 20) as o";
      await expectFewOf(
        `select o.id, u.id from ${own} ${join} mirror.users u on u.email_address = o.email_address`,
      );
      await expectFewOf(
        `select o.id, u.id from ${own} ${join} mirror.users u on lower(u.email_address) = lower(o.email_address)`,
      );
      await expectFewOf(
        `select o.id, u.id from ${own} ${join} mirror.users u on u.external_id = o.external_id`,
      );
      await expectFewOf(
        `select o.id, e.user_id from ${own} ${join} mirror.email_addresses e on lower(e.email_address) = lower(o.email_address)`,
      );
    },
  );

  test("counts and groups read one narrow table where its columns are enough", async () => {
    for (const [statement, tables] of [
      ["select count(*) from mirror.users where not banned", ["user_activity"]],
      ["select date_trunc('week', created_at), count(*) from mirror.users group by 1", ["user_activity"]],
      [
        "select public_metadata->>'plan', count(*) from mirror.users group by 1",
        ["user_activity", "user_metadata"],
      ],
    ] as const) {
      const { wholeTables } = await explainAnalyze(sql, statement);
      expect([...tables]).toEqual(expect.arrayContaining([...wholeTables]));
    }
  });
});

/** Of the mirror's tables; the application's own may be read whole. */
async function expectFewOf(statement: string): Promise<void> {
  const { wholeTables, rowsRead } = await explainAnalyze(sql, statement);
  wholeTables.delete("app_orders");
  expect({ statement, wholeTables: [...wholeTables], isFew: rowsRead < 1000 }).toEqual({
    statement,
    wholeTables: [],
    isFew: true,
  });
}

describe("the other views", () => {
  test.for([
    ["email_addresses where lower(email_address) = 'person.7@d7.example'", "user_identifiers_lower_email"],
    ["email_addresses where domain = 'd7.example'", "user_identifiers_domain"],
    ["email_addresses where user_id = 'user_1'", "user_identifiers_user_id_kind_value_pk"],
    ["phone_numbers where user_id = 'user_1'", "user_identifiers_user_id_kind_value_pk"],
    ["web3_wallets where user_id = 'user_1'", "user_identifiers_user_id_kind_value_pk"],
    ["external_accounts where user_id = 'user_1'", "user_identifiers_user_id_kind_value_pk"],
    ["organization_memberships where user_id = 'user_1'", "organization_memberships_user"],
    ["organization_memberships where organization_id = 'org_7'", "organization_memberships_organization"],
    ["user_private_metadata where id = 'user_1'", "user_metadata_pkey"],
    ["deleted_users where id = 'user_gone100'", "users_pkey"],
    ["deleted_users where deleted_at > now() - interval '10 days'", "users_deleted_time"],
    ["deleted_users where deleted_at > '2020-01-01' order by deleted_at limit 50", "users_deleted_time"],
    ["changes where position > 99000 order by position limit 500", "changes_pkey"],
    ["changes where position > 99500", "changes_pkey"],
    ["changes where changed_at > now() - interval '10 minutes'", "changes_changed_at"],
  ] as const)("mirror.%s", async ([from, index]) => {
    // A block range's pages are read whole.
    await expectFew(`select * from mirror.${from}`, index, index === "changes_changed_at" ? 30_000 : 1500);
  });

  test("members of an organization with their users, and a user's organizations", async () => {
    await expectFew(
      `select u.email_address, m.role from mirror.organization_memberships m join mirror.users u on u.id = m.user_id
       where m.organization_id = 'org_7' and m.role = 'org:admin'`,
      "organization_memberships_organization",
    );
    await expectFew(
      `select o.name from mirror.organization_memberships m join mirror.organizations o on o.id = m.organization_id
       where m.user_id = '${one.id}'`,
      "organization_memberships_user",
      400,
    );
  });
});
