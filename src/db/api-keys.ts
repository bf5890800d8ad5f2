import type { Sql } from "./client.js";

/** A key as it is stored: never the key itself. Times in milliseconds. */
export interface ApiKey {
  id: string;
  name: string;
  scopes: string[];
  createdAtMs: number;
  revokedAtMs: number | null;
}

interface ApiKeyRow {
  id: string;
  name: string;
  scopes: string;
  created_at: number;
  revoked_at: number | null;
}

/** False: another key of this name is in use. */
export async function insertApiKey(
  sql: Sql,
  key: { id: string; name: string; digest: string; scopes: readonly string[] },
): Promise<boolean> {
  const inserted = await sql`
    insert into mirror_data.api_keys (id, name, digest, scopes, created_at)
    values (${key.id}, ${key.name}, ${key.digest}, ${key.scopes.join(" ")}, extract(epoch from clock_timestamp()) * 1000)
    on conflict do nothing returning id`;
  return inserted.length > 0;
}

/** Of a key that is not revoked. */
export async function findApiKey(sql: Sql, digest: string): Promise<ApiKey | null> {
  const [row] = await sql<ApiKeyRow[]>`
    select id, name, scopes, created_at, revoked_at
    from mirror_data.api_keys where digest = ${digest} and revoked_at is null`;
  return row ? present(row) : null;
}

/** The newest first, revoked ones too. */
export async function listApiKeys(sql: Sql): Promise<ApiKey[]> {
  const rows = await sql<ApiKeyRow[]>`
    select id, name, scopes, created_at, revoked_at from mirror_data.api_keys order by created_at desc, id`;
  return rows.map(present);
}

/** By id or name; null: no such key is in use. */
export async function revokeApiKey(sql: Sql, idOrName: string): Promise<ApiKey | null> {
  const [row] = await sql<ApiKeyRow[]>`
    update mirror_data.api_keys set revoked_at = extract(epoch from clock_timestamp()) * 1000
    where (id = ${idOrName} or name = ${idOrName}) and revoked_at is null
    returning id, name, scopes, created_at, revoked_at`;
  return row ? present(row) : null;
}

function present(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    name: row.name,
    scopes: row.scopes.split(" "),
    createdAtMs: row.created_at,
    revokedAtMs: row.revoked_at,
  };
}
