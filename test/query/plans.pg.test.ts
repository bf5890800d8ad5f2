// Covers src/query/{compile,strategy,page,search-term,lists,users}.ts

import { beforeAll, describe, expect } from "vitest";
import { noCache } from "../../src/cache/user-cache.js";
import { unwatched } from "../../src/db/connection/availability.js";
import { textArray } from "../../src/db/connection/bulk.js";
import { connect, type Database } from "../../src/db/connection/client.js";
import { parseListParams, type RawParams } from "../../src/query/clerk-params.js";
import { compileFilter } from "../../src/query/compile.js";
import { forManySets } from "../../src/query/lookups.js";
import { statementFor } from "../../src/query/memberships.js";
import { ORDER_FIELDS } from "../../src/query/order.js";
import { countStatement, type PageRequest, pageStatement } from "../../src/query/page.js";
import { Parameters } from "../../src/query/parameters.js";
import { BY_ID, createUserQueries } from "../../src/query/users.js";
import type { Search } from "../../src/query/where.js";
import { startSandbox } from "../../src/sandbox/server.js";
import { freshDatabase, test } from "../support/database.js";
import { walksOver } from "../support/walks.js";

let database: Database;

beforeAll(async () => {
  const own = await freshDatabase();
  database = connect({ url: own.url });
  const sandbox = await startSandbox({ users: 8000, organizations: 300 });
  // What it leaves behind is what plans are made from: nothing is analyzed by hand.
  const { backfill } = await walksOver({ database, sql: database.primary.sql }, sandbox);
  expect((await backfill()).state).toBe("succeeded");
  await sandbox.close();
  return async () => {
    await database.close();
    await own.drop();
  };
  // A backfill of 8,000 users takes some seconds, and many times that beside other work.
}, 240_000);

/** All pieces of terms are taken for rare. */
const byPieces = (lettersBeyondAscii: boolean, share = 0): Search => ({
  statistics: {
    trigramSchema: "public",
    lettersBeyondAscii,
    users: 8000,
    distinctNames: { first_name: 0, last_name: 0 },
    shareOf: () => 0,
    shareIn: () => share,
  },
  mostByPieces: 1,
  nowMs: 0,
});

type PlanOptions = Partial<Pick<PageRequest, "fromEnd" | "after">> & {
  lettersBeyondAscii?: boolean;
  share?: number;
};

async function planOf(
  params: RawParams,
  { fromEnd = false, lettersBeyondAscii = true, share = 0, after = null }: PlanOptions = {},
): Promise<string> {
  const { filter, orderBy, limit, offset } = parseListParams(params);
  const values = new Parameters();
  const where = compileFilter(filter, values, byPieces(lettersBeyondAscii, share));
  const text = pageStatement(where, { orderBy, limit, offset, after, fromEnd }, values);
  return explain(text, values);
}

/** As it is kept for the lookups of many: made without knowing their values. */
async function lookupPlanOf(params: RawParams): Promise<string> {
  const { filter, orderBy, limit, offset } = parseListParams(params);
  const values = new Parameters();
  const where = compileFilter(filter, values, byPieces(true));
  const text = pageStatement(where, { orderBy, limit, offset, after: null, fromEnd: false }, values);
  return togetherPlanOf(text, values);
}

function togetherPlanOf(text: string, { values }: Parameters): Promise<string> {
  const sets = values.map((value) => textArray([String(value), String(value)]));
  return genericPlanOf(forManySets(text, sets.length), sets);
}

async function genericPlanOf(text: string, values: readonly string[]): Promise<string> {
  const rows = await database.primary.sql.begin(async (tx) => {
    await tx`set local plan_cache_mode = force_generic_plan`;
    await tx.unsafe(`prepare generic as ${text}`);
    const literals = values.map((value) => `'${value}'`).join(", ");
    return tx.unsafe<{ "QUERY PLAN": string }[]>(`explain execute generic(${literals}); deallocate generic`);
  });
  return rows
    .flat()
    .map((row) => row["QUERY PLAN"])
    .join("\n");
}

/** Planned as the pool for searches does, however long that takes on a busy machine. */
async function explain(text: string, values: Parameters): Promise<string> {
  const rows = (await database.readers.searches.begin(async (tx) => {
    await tx`set local statement_timeout = 30000`;
    return tx.unsafe(`explain ${text}`, [...values.values]);
  })) as unknown as { "QUERY PLAN": string }[];
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}

const TRIGRAMS = /user_search_identifiers|user_names_trigrams|user_ids_trigrams/;

const INDEXES: Record<(typeof ORDER_FIELDS)[number], string> = {
  created_at: "user_search_created_at",
  updated_at: "user_activity_updated_at",
  email_address: "user_search_email",
  web3wallet: "user_search_wallet",
  first_name: "user_names_first_name",
  last_name: "user_names_last_name",
  phone_number: "user_search_phone",
  username: "user_search_username",
  last_active_at: "user_activity_last_active_at",
  last_sign_in_at: "user_activity_last_sign_in_at",
};

describe("the plan of a list", () => {
  test.for(ORDER_FIELDS.flatMap((field) => [`+${field}`, `-${field}`]))(
    "ordered by %s reads its index and sorts nothing but the page",
    async (orderBy) => {
      const plan = await planOf({ order_by: [orderBy] });
      expect(plan).toContain(INDEXES[orderBy.slice(1) as keyof typeof INDEXES]);
      // The one sort is that of the page itself, around everything.
      expect(plan.match(/Sort Key/g)).toHaveLength(1);
      expect(plan.split("CTE second")[0]).not.toContain("Seq Scan on user_");
    },
  );

  // A wrong guess of how many follow makes it read the payloads of everybody.
  test.for(ORDER_FIELDS.map((field) => [field]))("ordered by %s looks up each payload", async ([field]) => {
    for (const limit of ["10", "500"]) {
      for (const fromEnd of [false, true]) {
        const params = { order_by: [field ?? ""], limit: [limit], offset: ["700"] };
        const plan = await planOf(params, { fromEnd });
        expect(plan).toContain("Index Scan using users_pkey");
        expect(plan).not.toContain("Seq Scan on users");
      }
    }
  });

  test("from the end is the page that is read from the start", async () => {
    const queries = createUserQueries(database.readers, {
      nowMs: Date.now,
      availability: unwatched,
      cache: noCache,
    });
    const idsFor = async (params: RawParams, fromEnd: boolean) => {
      const { filter, orderBy, limit, offset } = parseListParams(params);
      const values = new Parameters();
      const where = compileFilter(filter, values, byPieces(true));
      const text = pageStatement(where, { orderBy, limit, offset, after: null, fromEnd }, values);
      // Not on the pool for searches, whose statements end after 60 ms.
      const rows = await database.readers.points.unsafe<{ payload: string }[]>(text, [...values.values]);
      return rows.map(({ payload }) => JSON.parse(payload).id as string);
    };
    const total = await queries.count(parseListParams({}).filter);
    for (const order of ORDER_FIELDS.flatMap((field) => [`+${field}`, `-${field}`])) {
      // Around each end, and wherever the rows without a value begin.
      for (const offset of [4001, 4400, 5123, 6666, 7177, 7990, total - 1, total, total + 5]) {
        const params = { order_by: [order], limit: ["13"], offset: [String(offset)] };
        expect([order, offset, await idsFor(params, true)]).toEqual([
          order,
          offset,
          await idsFor(params, false),
        ]);
      }
    }
  });

  test.for(ORDER_FIELDS.flatMap((field) => [`+${field}`, `-${field}`]))(
    "ordered by %s from the end reads the same index the other way",
    async (orderBy) => {
      const index = INDEXES[orderBy.slice(1) as keyof typeof INDEXES];
      // The first scan is the page's.
      const scans = (fromEnd: boolean) =>
        planOf({ order_by: [orderBy], offset: ["1000"] }, { fromEnd }).then((plan) =>
          [...plan.matchAll(/Scan (Backward )?using (\w+)/g)]
            .filter(([, , name]) => name === index)
            .map(([, backward]) => backward ?? "forward"),
        );
      const [forward, fromEnd] = [await scans(false), await scans(true)];
      expect(forward[0]).toBe(orderBy.startsWith("-") ? "Backward " : "forward");
      expect(fromEnd[0]).toBe(orderBy.startsWith("-") ? "forward" : "Backward ");
    },
  );

  test.for(["+created_at", "-created_at"])("ordered by %s behind a user begins there", async (orderBy) => {
    const after = { id: "user_1", createdAtMs: 1_700_000_000_000 };
    const plan = await planOf({ order_by: [orderBy] }, { after });
    expect(plan).toMatch(/Index Only Scan (Backward )?using user_search_created_at/);
    expect(plan).toMatch(/Index Cond: \(ROW\(created_at, .*id.*\) [<>] ROW/);
  });

  test.for(ORDER_FIELDS.flatMap((field) => [`+${field}`, `-${field}`]))(
    "with a rare term, ordered by %s, finds those with its pieces by the trigram index",
    async (orderBy) => {
      for (const limit of ["10", "500"]) {
        const plan = await planOf({ query: ["zebra-unknown"], order_by: [orderBy], limit: [limit] });
        expect(plan).toMatch(
          /on user_search_identifiers.*\n +Index Cond: \(identifier_search ~~ '%zebra-unknown%'::text\)/,
        );
        expect(plan).toMatch(
          /on user_names_trigrams.*\n +Index Cond: \(name_search ~~ '%zebra-unknown%'::text\)/,
        );
        expect(plan).toMatch(
          /on user_ids_trigrams.*\n +Index Cond: \(lower\(id\) ~~ '%zebra-unknown%'::text\)/,
        );
        expect(plan).not.toContain("Seq Scan on user_");
        expect(plan).toContain("Index Scan using users_pkey");
        expect(plan).not.toContain("Seq Scan on users");
      }
    },
  );

  test("with a term that is in no id by its field reads no ids, and with one that all ids have none of these indexes", async () => {
    expect(await planOf({ name_query: ["zebra-unknown"] })).not.toContain("user_ids");
    const common = await planOf({ query: ["user_"] }, { share: 1 });
    expect(common).not.toMatch(/user_ids|user_names|user_search_identifiers/);
    expect(common).toContain("user_search_created_at");
  });

  test.for(["query", "email_address_query", "phone_number_query", "username_query", "name_query"])(
    "by %s reads the trigram index for three characters, and never for fewer or beside a lookup",
    async (name) => {
      const index = name === "name_query" ? "user_names_trigrams" : "user_search_identifiers";
      expect(await planOf({ [name]: ["zebra-unknown"] })).toContain(index);
      for (const term of ["zx", "é", "|"]) {
        expect(await planOf({ [name]: [term] })).not.toMatch(TRIGRAMS);
      }
      for (const lookup of ["username", "external_id", "email_address"]) {
        const together = await lookupPlanOf({ [name]: ["zx"], [lookup]: ["ann@example.com"] });
        expect(together).not.toMatch(TRIGRAMS);
        expect(together).not.toContain("Seq Scan on user");
      }
    },
  );

  test.for([["banned"], ["created_at_after"], ["last_active_at_after"]])(
    "with the filter %s looks up each payload",
    async ([name]) => {
      const value = name === "banned" ? "true" : "1700000000000";
      const plan = await planOf({ [name ?? ""]: [value], limit: ["500"] });
      expect(plan).toContain("Index Scan using users_pkey");
      expect(plan).not.toContain("Seq Scan on users");
    },
  );

  test("of an organization finds its members by their index", async () => {
    const [row] = await database.primary.sql<
      { id: string }[]
    >`select id from mirror_data.organizations limit 1`;
    const plan = await planOf({ organization_id: [row?.id ?? ""] });
    expect(plan).toContain("organization_memberships_organization");
    expect(plan).toContain("Index Scan using users_pkey");
    expect(plan).not.toContain("Seq Scan on user");
  });

  test.for([["zx"], ["a"], ["é"], ["øb"], ["|"], ["%"], ["@g"], ["😀"], ["+-*/"]])(
    "with the term %s, which has no trigram, never reads that index",
    async ([term]) => {
      expect(await planOf({ query: [term ?? ""] })).not.toMatch(TRIGRAMS);
      const values = new Parameters();
      const where = compileFilter(parseListParams({ query: [term ?? ""] }).filter, values, byPieces(true));
      expect(await explain(countStatement(where), values)).not.toMatch(TRIGRAMS);
    },
  );

  test("with letters that this database has none of doesn't read it either", async () => {
    expect(await planOf({ query: ["Михаил"] }, { lettersBeyondAscii: false })).not.toMatch(TRIGRAMS);
  });

  test.for([
    [{ email_address: ["ann@example.com"] }, "user_identifiers_folded"],
    [{ phone_number: ["+15551000001"] }, "user_identifiers_folded"],
    [{ username: ["ann"] }, "user_search_username"],
    [{ external_id: ["ext_7"] }, "user_search_external_id"],
    [{ user_id: ["user_1", "user_2"] }, "user_search_pkey"],
  ] as const)("for %o finds the few users by an index, alone and with others", async ([params, index]) => {
    expect(await planOf(params)).toContain(index);
    const together = await lookupPlanOf(params);
    expect(together).toContain(index);
    expect(together).toContain("Index Scan using users_pkey");
    expect(together).not.toContain("Seq Scan on user");
  });

  test("for users by id is the primary key, for one as for many", async () => {
    for (const ids of [["user_1"], Array.from({ length: 32 }, (_, n) => `user_${n}`)]) {
      const plan = await genericPlanOf(BY_ID, [textArray(ids)]);
      expect(plan).toContain("users_pkey");
      expect(plan).not.toContain("Seq Scan");
    }
  });

  test("of memberships goes from the user to them, to their organizations, and to the members of these", async () => {
    const values = new Parameters();
    const text = statementFor("user_1", { limit: 10, offset: 0 }, { lagMs: 60_000 }, values);
    for (const plan of [await explain(text, values), await togetherPlanOf(text, values)]) {
      for (const index of [
        "users_pkey",
        "organization_memberships_user",
        "organizations_pkey",
        "organization_memberships_organization",
      ]) {
        expect(plan).toContain(index);
      }
      expect(plan).not.toMatch(/Seq Scan on (users|organization_memberships)/);
    }
  });
});
