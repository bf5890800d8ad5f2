import { afterEach, describe, expect, test } from "vitest";
import { textArray } from "../../../src/db/connection/bulk.js";
import { connect } from "../../../src/db/connection/client.js";
import type { RunningServer } from "../../../src/runtime/server.js";
import { startSandbox } from "../../../src/sandbox/server.js";
import { freshDatabase, type OwnDatabase } from "../../support/database.js";
import { expectSame, startMirror } from "../../support/mirror.js";

/** What a role, a database or a host may have for defaults, each of which stopped something or made it wrong. */
const DEFAULTS = {
  statement_timeout: "250ms",
  lock_timeout: "1ms",
  idle_in_transaction_session_timeout: "1ms",
  idle_session_timeout: "100ms",
  transaction_timeout: "250ms",
  default_transaction_isolation: "serializable",
  search_path: "nowhere",
  array_nulls: "off",
  standard_conforming_strings: "off",
  transform_null_equals: "on",
  synchronous_commit: "off",
  gin_fuzzy_search_limit: "1",
  DateStyle: "German",
  IntervalStyle: "iso_8601",
  TimeZone: "Asia/Kathmandu",
  bytea_output: "escape",
  extra_float_digits: "-15",
  check_function_bodies: "off",
  client_min_messages: "debug1",
};

describe("a database whose defaults are other than Postgres' own", () => {
  let own: OwnDatabase;
  let stop: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const one of stop.reverse()) await one();
    stop = [];
  });

  async function hostileDatabase(): Promise<string> {
    own = await freshDatabase();
    stop.push(own.drop);
    const admin = connect({ url: own.url, poolMax: 1 });
    // Every page takes longer than the default allows.
    await admin.primary.sql.unsafe(`
      create function mirror_data.dawdle() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.3); return null; end $$;
      create trigger dawdle after insert on mirror_data.users execute function mirror_data.dawdle()`);
    const name = new URL(own.url).pathname.slice(1);
    for (const [setting, value] of Object.entries(DEFAULTS)) {
      await admin.primary.sql.unsafe(`alter database ${name} set ${setting} = '${value}'`);
    }
    await admin.close();
    return own.url;
  }

  test("is filled, kept by webhooks and searched as any other", async () => {
    const url = await hostileDatabase();
    const sandbox = await startSandbox({ users: 60, organizations: 2 });
    stop.push(sandbox.close);
    const server: RunningServer = await startMirror({ sandbox, databaseUrl: url });
    stop.push(server.stop);
    await expectSame(server.url, sandbox);

    const user = sandbox.clerk.createUser({ first_name: "Zebedee", username: "zebedee" });
    await sandbox.webhooks.settle();
    await expectSame(server.url, sandbox);
    const headers = { Authorization: `Bearer ${sandbox.secretKey}` };
    const found = await (await fetch(`${server.url}/v1/users?query=zebed`, { headers })).json();
    expect(found).toMatchObject([{ id: user.id }]);
    const check = await fetch(`${server.url}/mirror/reconcile`, {
      method: "POST",
      headers: { Authorization: "Bearer um_test", "Content-Type": "application/json" },
      body: JSON.stringify({ mode: "full" }),
    });
    const { run_id } = (await check.json()) as { run_id: string };
    const run = async () =>
      (
        await fetch(`${server.url}/mirror/runs/${run_id}`, { headers: { Authorization: "Bearer um_test" } })
      ).json();
    await expect.poll(run, { timeout: 20_000 }).toMatchObject({ state: "succeeded", error: null });
  });

  test("doesn't decide what a connection of ours is set to, in any pool", async () => {
    const url = await hostileDatabase();
    const database = connect({ url });
    stop.push(database.close);
    for (const pool of [database.primary.sql, database.readers.points, database.readers.searches]) {
      const rows = await pool<{ name: string; setting: string }[]>`
        select name, setting from pg_settings where name = any(${textArray(Object.keys(DEFAULTS))}::text::text[])`;
      const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
      expect(settings).toMatchObject({
        lock_timeout: "2000",
        idle_in_transaction_session_timeout: "5000",
        idle_session_timeout: "0",
        transaction_timeout: "0",
        default_transaction_isolation: "read committed",
        array_nulls: "on",
        synchronous_commit: "on",
        gin_fuzzy_search_limit: "0",
        TimeZone: "UTC",
        extra_float_digits: "1",
      });
      expect(Number(settings.statement_timeout)).toBe(pool === database.readers.searches ? 60 : 60_000);
    }
  });

  test("and searches are planned as we set it, also where that is 0", async () => {
    const url = await hostileDatabase();
    const database = connect({ url });
    stop.push(database.close);
    const rows = await database.readers.searches<{ name: string; setting: string }[]>`
      select name, current_setting(name) as setting from unnest(array['max_parallel_workers_per_gather', 'jit',
        'plan_cache_mode', 'seq_page_cost', 'random_page_cost', 'cpu_index_tuple_cost', 'statement_timeout']) as name`;
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      max_parallel_workers_per_gather: "0",
      jit: "off",
      plan_cache_mode: "force_custom_plan",
      seq_page_cost: "0.02",
      random_page_cost: "0.02",
      cpu_index_tuple_cost: "0.12",
      statement_timeout: "60ms",
    });
  });
});
