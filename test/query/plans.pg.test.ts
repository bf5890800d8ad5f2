import { beforeAll, describe, expect } from "vitest";
import { noCache } from "../../src/cache/user-cache.js";
import { unwatched } from "../../src/db/availability.js";
import { textArray } from "../../src/db/bulk.js";
import { connect, type Database } from "../../src/db/client.js";
import { analyzeTables } from "../../src/db/search-index.js";
import { compileFilter, Parameters, type Search } from "../../src/query/compile.js";
import { ORDER_FIELDS, parseListParams, type RawParams } from "../../src/query/filter.js";
import { forManySets } from "../../src/query/lookups.js";
import { countStatement, pageStatement } from "../../src/query/page.js";
import { createUserQueries } from "../../src/query/users.js";
import { startSandbox } from "../../src/sandbox/server.js";
import { applyItems } from "../../src/sync/apply.js";
import { userSnapshot } from "../../src/sync/snapshot.js";
import { freshDatabase, type OwnDatabase, test } from "../support/database.js";

let own: OwnDatabase;
let database: Database;

beforeAll(async () => {
  own = await freshDatabase();
  database = connect({ url: own.url });
  const sandbox = await startSandbox({ users: 8000 });
  const users = sandbox.clerk.users();
  for (let from = 0; from < users.length; from += 500) {
    const items = users.slice(from, from + 500).map((user) => ({ users: [userSnapshot(user, "page", 1)] }));
    await applyItems(database.sql, items, { lagMs: 0 });
  }
  await analyzeTables(database.sql);
  await sandbox.close();
  return async () => {
    await database.close();
    await own.drop();
  };
});

/** All pieces of terms are taken for rare. */
const byPieces = (lettersBeyondAscii: boolean): Search => ({
  statistics: { lettersBeyondAscii, users: 8000, shareOf: () => 0 },
  mostByPieces: 1,
});

async function planOf(
  params: RawParams,
  { fromEnd = false, lettersBeyondAscii = true } = {},
): Promise<string> {
  const { filter, orderBy, limit, offset } = parseListParams(params);
  const values = new Parameters();
  const where = compileFilter(filter, values, byPieces(lettersBeyondAscii));
  const text = pageStatement(where, { orderBy, limit, offset, after: null, fromEnd }, values);
  return explain(text, values);
}

/** As it is kept for the lookups of many: made without knowing their values. */
async function lookupPlanOf(params: RawParams): Promise<string> {
  const { filter, orderBy, limit, offset } = parseListParams(params);
  const values = new Parameters();
  const where = compileFilter(filter, values, byPieces(true));
  const text = pageStatement(where, { orderBy, limit, offset, after: null, fromEnd: false }, values);
  const sets = values.values.map((value) => textArray([String(value), String(value)]));
  const rows = await database.sql.begin(async (tx) => {
    await tx`set local plan_cache_mode = force_generic_plan`;
    await tx.unsafe(`prepare together as ${forManySets(text, sets.length)}`);
    const literals = sets.map((set) => `'${set}'`).join(", ");
    return tx.unsafe<{ "QUERY PLAN": string }[]>(
      `explain execute together(${literals}); deallocate together`,
    );
  });
  return rows
    .flat()
    .map((row) => row["QUERY PLAN"])
    .join("\n");
}

async function explain(text: string, values: Parameters): Promise<string> {
  const rows = await database.search.unsafe<{ "QUERY PLAN": string }[]>(`explain ${text}`, [
    ...values.values,
  ]);
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}

const INDEXES: Record<(typeof ORDER_FIELDS)[number], string> = {
  created_at: "user_search_created_at",
  updated_at: "user_activity_updated_at",
  email_address: "user_search_email",
  web3wallet: "user_search_wallet",
  first_name: "user_search_first_name",
  last_name: "user_search_last_name",
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
    const queries = createUserQueries(database, { nowMs: Date.now, availability: unwatched, cache: noCache });
    const idsFor = async (params: RawParams, fromEnd: boolean) => {
      const { filter, orderBy, limit, offset } = parseListParams(params);
      const values = new Parameters();
      const where = compileFilter(filter, values, byPieces(true));
      const text = pageStatement(where, { orderBy, limit, offset, after: null, fromEnd }, values);
      const rows = await database.search.unsafe<{ payload: string }[]>(text, [...values.values]);
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

  test("from the end reads the same index the other way", async () => {
    const plan = await planOf({ order_by: ["-created_at"], offset: ["7000"] }, { fromEnd: true });
    expect(plan).toContain("user_search_created_at");
    expect(plan).not.toContain("Backward");
  });

  test("with a rare term reads the trigram index", async () => {
    expect(await planOf({ query: ["zebra-unknown"] })).toContain("user_search_trigrams");
  });

  test.for([["zx"], ["a"], ["é"], ["øb"], ["|"], ["%"], ["@g"], ["😀"], ["+-*/"]])(
    "with the term %s, which has no trigram, never reads that index",
    async ([term]) => {
      expect(await planOf({ query: [term ?? ""] })).not.toContain("user_search_trigrams");
      const values = new Parameters();
      const where = compileFilter(parseListParams({ query: [term ?? ""] }).filter, values, byPieces(true));
      expect(await explain(countStatement(where), values)).not.toContain("user_search_trigrams");
    },
  );

  test("with letters that this database has none of doesn't read it either", async () => {
    expect(await planOf({ query: ["Михаил"] }, { lettersBeyondAscii: false })).not.toContain(
      "user_search_trigrams",
    );
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

  test("for one user by id is the primary key", async () => {
    const rows = await database.sql.unsafe(`explain select payload from mirror_data.users where id = $1`, [
      "user_1",
    ]);
    expect(rows[0]?.["QUERY PLAN"]).toContain("users_pkey");
  });
});
