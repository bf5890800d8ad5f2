// Covers src/query/{strategy,compile}.ts

import { expect } from "vitest";
import { noCache } from "../../src/cache/user-cache.js";
import { unwatched } from "../../src/db/connection/availability.js";
import { connect, type Database } from "../../src/db/connection/client.js";
import type { Sql } from "../../src/db/connection/sql.js";
import { parseListParams, parseUserFilter, type RawParams } from "../../src/query/clerk-params.js";
import { createMembershipQueries } from "../../src/query/memberships.js";
import { ORDER_FIELDS } from "../../src/query/order.js";
import { createUserQueries } from "../../src/query/users.js";
import { test } from "../support/database.js";

/** Each narrows in a way of its own. */
const FILTERS: [string, string[]][] = [
  ["email_address", ["a@example.com"]],
  ["phone_number", ["+15550100"]],
  ["username", ["ann"]],
  ["web3_wallet", ["0x1"]],
  ["external_id", ["1"]],
  ["external_id", ["-1"]],
  ["user_id", ["user_1"]],
  ["organization_id", ["org_1"]],
  ["organization_id", ["-org_1"]],
  ["query", ["annabel"]],
  ["name_query", ["annabel"]],
  ["banned", ["true"]],
  ["created_at_before", ["1"]],
  ["last_active_at_after", ["1"]],
];

/** All pairs and triples of filters, each with an order. */
function* combinations(): Generator<RawParams> {
  const orders = ORDER_FIELDS.flatMap((field) => [`-${field}`, `+${field}`]);
  let n = 0;
  for (const a of FILTERS) {
    for (const b of FILTERS) {
      for (const c of FILTERS) {
        if (a[0] >= b[0] || b[0] > c[0]) continue;
        const values = Object.fromEntries([a, b, c].map(([name, given]) => [name, given]));
        yield { ...values, order_by: [orders[n++ % orders.length] ?? ""] };
      }
    }
  }
}

/** What a connection of this pool keeps, statements and bytes. It has one connection. */
async function keptBy(pool: Sql): Promise<{ statements: number; bytes: number }> {
  const [kept] = await pool.unsafe<{ statements: number; bytes: number }[]>(`
    select (select count(*) from pg_prepared_statements)::bigint as statements,
      (select sum(total_bytes) from pg_backend_memory_contexts)::bigint as bytes`);
  return kept ?? { statements: 0, bytes: 0 };
}

/** Read connections of one each, so that all that is kept is where it is looked for. */
async function withOneConnectionEach(
  url: string,
  work: (database: Database) => Promise<void>,
): Promise<void> {
  const database = connect({ url, poolMax: 4 });
  try {
    await work(database);
  } finally {
    await database.close();
  }
}

const queriesOf = (database: Database) =>
  createUserQueries(database.readers, { nowMs: Date.now, availability: unwatched, cache: noCache });

test("combinations of filters and orders leave nothing with the connections, however many there are", async ({
  db,
}) => {
  await withOneConnectionEach(db.url, async (database) => {
    const { list, count } = queriesOf(database);
    const view = { privateMetadata: false };
    await list(parseListParams({ email_address: ["a@example.com"] }), view);
    await list(parseListParams({}), view);
    const before = await Promise.all([database.readers.points, database.readers.searches].map(keptBy));
    const all = [...combinations()];
    expect(all.length).toBeGreaterThan(300);
    for (const params of all) {
      await list(parseListParams(params), view);
      await count(parseUserFilter(params));
    }
    const after = await Promise.all([database.readers.points, database.readers.searches].map(keptBy));
    for (const [n, { statements, bytes }] of after.entries()) {
      expect(statements - (before[n]?.statements ?? 0)).toBeLessThanOrEqual(3);
      expect(bytes - (before[n]?.bytes ?? 0)).toBeLessThan(8 * 1024 ** 2);
    }
  });
}, 120_000);

test("what is asked most stays planned: each filter alone, each order alone, the next page, counts, memberships", async ({
  db,
}) => {
  await withOneConnectionEach(db.url, async (database) => {
    const { list, count } = queriesOf(database);
    const memberships = createMembershipQueries(database.readers, { availability: unwatched, lagMs: 0 });
    const view = { privateMetadata: false };
    const ask = async () => {
      for (const [name, values] of FILTERS) {
        await list(parseListParams({ [name]: values }), view);
        await count(parseUserFilter({ [name]: values }));
      }
      for (const field of ORDER_FIELDS) await list(parseListParams({ order_by: [field] }), view);
      await memberships.list("user_1", { limit: 10, offset: 0 }, view);
    };
    await ask();
    const before = await Promise.all([database.readers.points, database.readers.searches].map(keptBy));
    await ask();
    const after = await Promise.all([database.readers.points, database.readers.searches].map(keptBy));
    expect(after.map(({ statements }) => statements)).toEqual(before.map(({ statements }) => statements));
    // Seven lookups as lists and as counts; the other filters, and the orders.
    expect(after[0]?.statements).toBeGreaterThanOrEqual(12);
    expect(after[1]?.statements).toBeGreaterThanOrEqual(15);
    for (const { statements } of after) expect(statements).toBeLessThan(150);
  });
});
