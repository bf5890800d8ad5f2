// Covers src/query/{walk-page,compile,strategy}.ts, src/query/compile/

import { beforeAll, describe, expect, test } from "vitest";
import { connect, type Database } from "../../src/db/connection/client.js";
import { compileFilter } from "../../src/query/compile.js";
import type { KeyValue } from "../../src/query/language/cursor.js";
import { parseUserQuery } from "../../src/query/language/request.js";
import { sortKeys } from "../../src/query/order-keys.js";
import { Parameters } from "../../src/query/parameters.js";
import { SHOWN_COLUMNS } from "../../src/query/present.js";
import { allFirst, inAnyWay, walkStatement } from "../../src/query/walk-page.js";
import { freshDatabase } from "../support/database.js";

let database: Database;

const USERS = 20_000;

/** As many users as it takes for the planner to see a difference; what isn't read here is left empty. */
beforeAll(async () => {
  const own = await freshDatabase();
  database = connect({ url: own.url });
  const sql = database.primary.patient;
  await sql.unsafe(`
    create temporary table people as select n, 'user_' || md5(n::text) as id,
      (array['smith', 'jones', 'brown', 'zhang'])[n % 4 + 1] || (n % 300) as last,
      (array['ann', 'bob', 'cy'])[n % 3 + 1] || (n % 50) as first
    from generate_series(1, ${USERS}) n;
    insert into mirror_data.users (id, payload) select id, '{"id":"' || id || '"}' from people;
    insert into mirror_data.user_search (id, created_at, banned, password_enabled, two_factor_enabled, has_image, search, name_search,
        first_name_key, last_name_key, email_key, email_domains, providers)
      select id, n * 1000::bigint, n % 50 = 0, true, false, false, first || n || '@mail.com' || E'\\n' || id || E'\\n' || first || E'\\n' || last || E'\\n' || first || ' ' || last,
        first || E'\\n' || last || E'\\n' || first || ' ' || last, first, case when n % 10 > 0 then last end, first || n || '@mail.com',
        case when n % 400 = 0 then array['rare.com'] else array['mail.com'] end, array['google']
      from people;
    insert into mirror_data.user_activity (id, updated_at, last_active_at, created_at)
      select id, n, case when n % 5 > 0 then (n % 30) * 86400000::bigint end, n * 1000::bigint from people;
    insert into mirror_data.user_metadata (id, public_metadata, created_at)
      select id, jsonb_build_object('plan', case when n % 1000 = 0 then 'trial' when n % 5 = 0 then 'pro' else 'free' end, 'seats', n % 200), n * 1000::bigint from people;
    insert into mirror_data.user_identifiers (user_id, kind, value, folded, is_primary, domain)
      select id, 'email', first || n || '@mail.com', first || n || '@mail.com', true, 'mail.com' from people;
    insert into mirror_data.organization_memberships (id, organization_id, user_id, payload, role)
      select 'orgmem_' || n, 'org_' || n % 40, id, '{}', 'org:member' from people;
    analyze mirror_data.users, mirror_data.user_search, mirror_data.user_activity, mirror_data.user_metadata,
      mirror_data.user_identifiers, mirror_data.organization_memberships`);
  return async () => {
    await database.close();
    await own.drop();
  };
}, 120_000);

async function planOf(
  body: object,
  { after = null, as = inAnyWay }: { after?: KeyValue[] | null; as?: typeof inAnyWay } = {},
): Promise<string> {
  const query = parseUserQuery(JSON.stringify(body), { nowMs: 0, scopes: new Set(["users:read"]) });
  const params = new Parameters();
  const where = compileFilter(query.filter, params, {
    statistics: {
      trigramSchema: "public",
      lettersBeyondAscii: true,
      users: USERS,
      distinctNames: { first_name: 0, last_name: 0 },
      shareOf: () => 0,
      shareIn: () => 0,
    },
    ...{ mostByPieces: 1, nowMs: 0, gather: as === allFirst },
  });
  const keys = sortKeys(query.orders, { params, where, nowMs: 0 });
  const text = walkStatement(
    as(where),
    { keys, after, limit: query.limit + 1, shown: SHOWN_COLUMNS },
    params,
  );
  const rows = (await database.readers.searches.begin(async (tx) => {
    await tx`set local statement_timeout = 30000`;
    if (where.similarities.length > 0) await tx`set local enable_seqscan = off`;
    return tx.unsafe(`explain ${text}`, [...params.values]);
  })) as unknown as { "QUERY PLAN": string }[];
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}

/** Of the users themselves, page by page. */
const payloads = /Index Scan using users_pkey on users/;

describe("a page of a walk", () => {
  test("begins behind the user before it", async () => {
    const created = await planOf({}, { after: [5000, "user_5"] });
    expect(created).toMatch(/Index Only Scan Backward using user_search_created_at/);
    expect(created).toMatch(/Index Cond: \(ROW\(s?\.?created_at, s?\.?id\) < ROW/);
    const named = await planOf(
      { order_by: ["last_name", "first_name", "id"] },
      { after: ["smith7", "ann1", "user_5"] },
    );
    expect(named).toMatch(/using user_names_last_name[\s\S]*?Index Cond: \(.*last_name_key >= /);
    expect(named).toContain("Incremental Sort");
    expect(named).toMatch(payloads);
    for (const plan of [created, named]) expect(plan).not.toContain("Seq Scan");
  });

  test("reads one day after another where many have the same last day of activity", async () => {
    for (const [order_by, after] of [
      [["-last_active_at", "id"], null],
      [["last_active_at", "-id"], null],
      [
        ["-last_active_at", "id"],
        [86_400_000 * 7, "user_5"],
      ],
    ] as const) {
      const plan = await planOf({ order_by }, { after: after ? [...after] : null });
      const [, days = ""] = plan.split(/CTE branch\d/);
      expect(days).toContain("Recursive Union");
      expect(days).toMatch(/user_activity_last_active_at/);
      expect(days).not.toContain("Sort");
    }
  });

  test("finds what an index knows and few have, and walks in its order where many have it", async () => {
    expect(await planOf({ filter: { "public_metadata.plan": "trial" } })).toContain("user_metadata_public");
    expect(await planOf({ filter: { "public_metadata.plan": "pro" } })).toContain("user_search_created_at");
    expect(await planOf({ filter: { email_domain: "rare.com" } })).toContain("user_search_email_domains");
    expect(await planOf({ filter: { email_domain: "mail.com" } })).toContain("user_search_created_at");
    expect(await planOf({ filter: { email_address: "ann3@mail.com" } })).toContain("user_identifiers_folded");
    expect(await planOf({ filter: { last_name: { prefix: "smith12" } } })).toContain("user_names_last_name");
    expect(await planOf({ filter: { organization_id: "org_7" } })).toContain(
      "organization_memberships_organization",
    );
  });

  test("gathers who meets one of several conditions, each by its own index", async () => {
    const gathers = async (or: object[], as = allFirst) => {
      const plan = await planOf({ filter: { or } }, { as });
      expect(plan).not.toMatch(/Seq Scan on user_(search|metadata|activity)/);
      return plan;
    };
    const trial = { "public_metadata.plan": "trial" };
    const members = await gathers([trial, { organization_id: "org_7" }]);
    expect(members).toContain("user_metadata_public");
    expect(members).toContain("organization_memberships_organization");
    const absent = await gathers([{ email_domain: "none.com" }, trial, { first_name: "nobody" }]);
    expect(absent).toContain("user_search_email_domains");
    expect(absent).toContain("user_names_first_name");
    // Values that name users are never many, so that they are gathered at once.
    const named = await gathers([{ email_address: "ann3@mail.com" }, { id: "user_1" }], inAnyWay);
    expect(named).toContain("user_identifiers_folded");
    expect(named).toContain("user_search_pkey");
  });

  test("finds similar names by looking at each different one once", async () => {
    for (const [field, more] of [
      ["last_name", {}],
      ["first_name", { first_name: { similar: "ann" }, banned: true }],
    ] as const) {
      for (const after of [null, [0.5, "user_5"]]) {
        const filter = { last_name: { similar: "smiht" }, ...more };
        const plan = await planOf({ filter, order_by: ["-_score"] }, { as: allFirst, after });
        expect(plan).toContain("Recursive Union");
        expect(plan).toContain(`user_names_${field}`);
        expect(plan).not.toContain("Seq Scan");
      }
    }
  });

  test("gathers who is similar in whatever field, and compares nobody with each id that is", async () => {
    const plan = await planOf(
      { filter: { any: { similar: "usa" } }, order_by: ["-_score"] },
      { as: allFirst },
    );
    expect(plan).toContain("Append");
    expect(plan).not.toMatch(/id = ANY|%>.* OR /);
  });

  test("reads no table beside the one that has its order", async () => {
    const metadata = await planOf({ order_by: ["-public_metadata.seats", "id"] });
    expect(metadata).toContain("Seq Scan on user_metadata");
    expect(metadata).not.toMatch(/user_(search|activity)/);
    const activity = await planOf({
      filter: { "public_metadata.plan": "pro" },
      order_by: ["-last_sign_in_at"],
    });
    expect(activity).not.toContain("user_search");
  });

  test("never reads the index of metadata for what it doesn't know", async () => {
    for (const test of [{ gt: 198 }, { exists: true }, { contains: "x" }, { prefix: "abc" }, { not: null }]) {
      if ("not" in test) continue;
      for (const as of [inAnyWay, allFirst]) {
        expect(await planOf({ filter: { "public_metadata.seats": test } }, { as })).not.toContain(
          "user_metadata_public",
        );
      }
    }
  });

  test("expects as many users as have what the statistics know of", async () => {
    const expected = async (filter: object) => {
      const plan = await planOf({ filter }, { as: allFirst });
      return Number(/CTE matching\n.*?rows=(\d+)/.exec(plan)?.[1]);
    };
    expect(await expected({ "public_metadata.seats": { gte: 100 } })).toBeGreaterThan(USERS / 3);
    expect(await expected({ "public_metadata.seats": { gte: 190 } })).toBeLessThan(USERS / 10);
    expect(await expected({ "public_metadata.plan": { prefix: "FRE" } })).toBeGreaterThan(USERS / 3);
    expect(await expected({ "public_metadata.plan": { contains: "xyz" } })).toBeLessThan(USERS / 100);
  });

  test("asks for each user whether there is no such element", async () => {
    for (const filter of [
      { not: { organization_id: "org_7" } },
      { not: { membership: {} } },
      { not: { email: {} } },
    ]) {
      const plan = await planOf({ filter });
      expect(plan).toMatch(/Anti Join/);
      expect(plan).not.toContain("hashed SubPlan");
    }
  });

  test("looks up each payload, however many users are expected", async () => {
    for (const filter of [
      {},
      { banned: true },
      { "public_metadata.seats": { gt: 5 } },
      { any: { contains: "ann" } },
    ]) {
      for (const as of [inAnyWay, allFirst]) {
        const plan = await planOf(
          { filter, limit: 500, order_by: ["-public_metadata.plan", "last_name"] },
          { as },
        );
        expect(plan).toMatch(payloads);
        expect(plan).not.toMatch(/Seq Scan on users/);
      }
    }
  });
});
