import type postgres from "postgres";
import { Webhook } from "svix";
import type { Sql } from "../../src/db/connection/sql.js";
import type { LoadRequest } from "./load.js";

/** How many users are read, or written: as many as the rounds can tell apart. */
export const SAMPLE = 20_000;

export async function sampleIds(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from mirror_data.user_search order by md5(id) limit ${SAMPLE}`;
  return rows.map(({ id }) => id);
}

export function reads(paths: readonly string[], key: string): LoadRequest[] {
  return paths.map((path) => ({ method: "GET", path, headers: { Authorization: `Bearer ${key}` } }));
}

/** What each event changes in its user: only the time of the last activity, or also the name. */
export type EventKind = "activity" | "identity";

let messages = 0;

/** Signed `user.updated` events of these users in turn, of `distinct` at most, each newer than the one before. */
export async function webhooks(
  sql: Sql,
  options: { ids: readonly string[]; count: number; kind: EventKind; secret: string; distinct?: number },
): Promise<LoadRequest[]> {
  const { ids, count, kind, secret, distinct = 5000 } = options;
  const webhook = new Webhook(secret);
  const chosen = ids.slice(0, Math.min(count, distinct));
  const rows = await sql<{ id: string; payload: string; last_sign_in_at: number | null }[]>`
    select id, payload, last_sign_in_at from mirror_data.users where id in ${sql(chosen)}`;
  // The other times are set below.
  const stored = new Map(
    rows.map(({ id, payload, last_sign_in_at }) => [id, { ...JSON.parse(payload), last_sign_in_at }]),
  );
  // The order of the ids, not that of the table, where neighbours share pages.
  const users = chosen.map((id) => stored.get(id) as Record<string, unknown>);
  // Later than everything an earlier run has left: older events are stale and cost nothing.
  const [newest] = await sql<{ at: number }[]>`
    select greatest(max(updated_at), ${Date.now()}::bigint) as at from mirror_data.user_activity`;
  return Array.from({ length: count }, (_, n) => {
    const user = users[n % users.length];
    const at = (newest?.at ?? 0) + ++messages;
    const moved = kind === "identity" ? { first_name: `Name${messages}${ENDS[messages % ENDS.length]}` } : {};
    const data = { ...user, ...moved, updated_at: at, last_active_at: at, private_metadata: {} };
    const event = { object: "event", type: "user.updated", timestamp: at, instance_id: "ins_bench", data };
    const body = JSON.stringify(event);
    const id = `msg_bench_${process.pid}_${messages}`;
    const signedAt = new Date();
    const headers = {
      "Content-Type": "application/json",
      "svix-id": id,
      "svix-timestamp": String(Math.floor(signedAt.getTime() / 1000)),
      "svix-signature": webhook.sign(id, signedAt, body),
    };
    return { method: "POST", path: "/webhooks/clerk", headers, body };
  });
}

const REFERENCE_TABLES = [
  "deliveries",
  "users",
  "user_activity",
  "user_search",
  "user_identifiers",
  "changes",
];

/** A name that ends as the one before has fewer new pieces to be searched by: a user in turn seldom gets the ending again. */
const ENDS = "aehlnorsy";

/**
 * The tables that the webhook reference writes, under their indexes, but without what triggers keep, and with Postgres' own
 * settings, because nothing works names into that trigram index in the background.
 */
export async function prepareReferenceTables(sql: postgres.Sql): Promise<void> {
  await sql.unsafe("drop schema if exists bench cascade; create schema bench");
  for (const table of REFERENCE_TABLES) {
    await sql.unsafe(
      `create table bench.${table} (like mirror_data.${table} including all excluding indexes)`,
    );
    if (!/^(deliveries|changes)$/.test(table)) {
      await sql.unsafe(`insert into bench.${table} select * from mirror_data.${table}`);
    }
    // Indexes come afterwards: filling a million rows under the trigram index takes many times as long as building
    // it.
    const indexes = await sql<{ indexdef: string }[]>`
      select indexdef from pg_indexes where schemaname = 'mirror_data' and tablename = ${table}`;
    for (const { indexdef } of indexes) {
      await sql.unsafe(
        indexdef
          .replace(" ON mirror_data.", " ON bench.")
          .replace(/ WITH \(gin_pending_list_limit=.*?\)/, ""),
      );
    }
    await sql.unsafe(`vacuum (analyze) bench.${table}`);
  }
}

/** What users are looked up by, a few thousand of each kind. */
export async function sampleKeys(sql: Sql) {
  const values = async (column: string) => {
    const rows = await sql.unsafe<{ value: string }[]>(
      `select ${column} as value from mirror.users
      where ${column} is not null order by md5(id) limit 5000`,
    );
    return rows.map(({ value }) => value);
  };
  const members = await sql<{ id: string }[]>`
    select distinct user_id as id from mirror_data.organization_memberships where user_id is not null limit 5000`;
  return {
    ids: await sampleIds(sql),
    members: members.map(({ id }) => id),
    emails: await values("email_address"),
    usernames: await values("username"),
    externalIds: await values("external_id"),
  };
}
export type Keys = Awaited<ReturnType<typeof sampleKeys>>;
