import type { Sql } from "../../src/db/connection/sql.js";
import type { Target } from "../http/processes.js";

export interface QueriesOptions {
  sql: Sql;
  env: Record<string, string>;
  webhookSecret: string;
  rounds: number;
  only?: string;
  say: (text: string) => void;
}

export const KEY = "um_bench";

export async function ask(mirror: Target, path: string, body: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`${mirror.url}/mirror/users/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  // What takes too long has taken its ten seconds: a figure like any other.
  if (text.includes('"query_too_expensive"')) return {};
  if (answer.status !== 200) throw new Error(`${JSON.stringify(body)}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

/** What was counted before is kept until the feed moves. */
export const commitSomething = (sql: Sql) => sql`
  insert into mirror_data.changes (type, id, version, at)
  values ('organization.upserted', 'org_bench', 1, extract(epoch from clock_timestamp()) * 1000)`;

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}
