import { type Line, type Section, sectionOf } from "../report/table.js";
import { atMost, type SqlBench } from "./sql-bench.js";

const GOAL_MS = 300;

const perDay = (column: string) => `
  select date_trunc('day', ${column}) as day, count(*) from mirror.users
  where ${column} >= now() - interval '90 days' group by 1 order by 1`;

/** What a dashboard asks. */
const AGGREGATES = {
  users: "select count(*) from mirror.users",
  "sign-ups per day, 90 days": perDay("created_at"),
  "last active per day, 90 days": perDay("last_active_at"),
  "users per plan": `
    select public_metadata->>'plan' as plan, count(*) from mirror.users group by 1 order by 2 desc`,
  "users of one plan": `
    select count(*) from mirror.users where public_metadata @> '{"plan":"enterprise"}'`,
  "the ten newest of one plan": `
    select id, email_address, created_at from mirror.users where public_metadata @> '{"plan":"enterprise"}'
    order by created_at desc limit 10`,
  "top 20 e-mail domains": `
    select domain, count(*) from mirror.email_addresses group by 1 order by 2 desc limit 20`,
};

/** Aggregates over the views of the SQL contract, as anybody who may read them would ask. */
export async function measureAggregates(bench: SqlBench): Promise<Section[]> {
  const { sql } = bench.database.primary;
  const reference = await bench.time(
    "count(*) of user_search, before the aggregates",
    () => sql`select count(*) from mirror_data.user_search`,
  );
  const lines: Line[] = [reference];
  for (const [what, text] of Object.entries(AGGREGATES)) {
    bench.say(`aggregating ${what}`);
    const against = { reference, goals: atMost(GOAL_MS) };
    lines.push(await bench.time(`aggregate, ${what}`, () => sql.unsafe(text), against));
  }
  return [sectionOf("Aggregates over the views of schema `mirror`", [], lines)];
}
