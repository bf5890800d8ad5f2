import { afterEach, expect } from "vitest";
import type { Sql } from "../../../src/db/connection/sql.js";
import { silentLogger } from "../../../src/observability/logger.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { createSearchTidying, type SearchTidying } from "../../../src/sync/upkeep/search-tidying.js";
import { clerkUser } from "../../support/clerk-user.js";
import { test } from "../../support/database.js";

let stop = async () => {};
afterEach(() => stop());

function start(sql: Sql): SearchTidying {
  const stopped = new AbortController();
  const tidying = createSearchTidying({ sql, log: silentLogger(), everyMs: 20 });
  const running = tidying.run(stopped.signal);
  stop = async () => {
    stopped.abort();
    await running;
  };
  return tidying;
}

/** Pages of names that wait to be worked into the trigram index. */
async function waiting(sql: Sql): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select pending_pages::bigint as n from pgstatginindex('mirror_data.user_names_trigrams')`;
  return row?.n ?? -1;
}

const named = (id: string, name: string, at: number) =>
  userSnapshot(clerkUser({ id, first_name: name, updated_at: at }), "webhook", at);

test("names that wait when the process starts, or are changed later, are worked into the search indexes", async ({
  db,
}) => {
  await db.sql`create extension if not exists pgstattuple`;
  await applyItems(db.sql, [{ users: [named("user_1", "Ann", 1)] }], { lagMs: 0 });
  expect(await waiting(db.sql)).toBeGreaterThan(0);
  const tidying = start(db.sql);
  await expect.poll(() => waiting(db.sql)).toBe(0);
  await applyItems(db.sql, [{ users: [named("user_1", "Barbara", 2)] }], { lagMs: 0 });
  expect(await waiting(db.sql)).toBeGreaterThan(0);
  tidying.noteChange();
  await expect.poll(() => waiting(db.sql)).toBe(0);
});

test("names that could not be worked in are tried again without another change", async ({ db }) => {
  await db.sql`create extension if not exists pgstattuple`;
  await applyItems(db.sql, [{ users: [named("user_1", "Ann", 1)] }], { lagMs: 0 });
  let refusals = 2;
  const refusing = new Proxy(db.sql, {
    apply(sql, self, args) {
      return refusals-- > 0 ? Promise.reject(new Error("away")) : Reflect.apply(sql, self, args);
    },
  });
  start(refusing);
  await expect.poll(() => waiting(db.sql)).toBe(0);
  expect(refusals).toBeLessThan(0);
});
