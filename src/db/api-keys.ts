import { and, desc, eq, isNull, or, sql } from "drizzle-orm";
import type { Orm } from "./client.js";
import { apiKeys } from "./sync-schema.js";

/** A key as it is stored: never the key itself. Times in milliseconds. */
export interface ApiKey {
  id: string;
  name: string;
  scopes: string[];
  createdAtMs: number;
  revokedAtMs: number | null;
}

const NOW = sql<number>`extract(epoch from clock_timestamp()) * 1000`;
const inUse = isNull(apiKeys.revokedAt);

/** False: another key of this name is in use. */
export async function insertApiKey(
  orm: Orm,
  key: { id: string; name: string; digest: string; scopes: readonly string[] },
): Promise<boolean> {
  const { id, name, digest, scopes } = key;
  const inserted = await orm
    .insert(apiKeys)
    .values({ id, name, digest, scopes: scopes.join(" "), createdAt: NOW })
    .onConflictDoNothing()
    .returning({ id: apiKeys.id });
  return inserted.length > 0;
}

/** Of a key that is not revoked. */
export async function findApiKey(orm: Orm, digest: string): Promise<ApiKey | null> {
  const [row] = await orm
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.digest, digest), inUse));
  return row ? present(row) : null;
}

/** The newest first, revoked ones too. */
export async function listApiKeys(orm: Orm): Promise<ApiKey[]> {
  const rows = await orm.select().from(apiKeys).orderBy(desc(apiKeys.createdAt), apiKeys.id);
  return rows.map(present);
}

/** By id or name; null: no such key is in use. */
export async function revokeApiKey(orm: Orm, idOrName: string): Promise<ApiKey | null> {
  const [row] = await orm
    .update(apiKeys)
    .set({ revokedAt: NOW })
    .where(and(or(eq(apiKeys.id, idOrName), eq(apiKeys.name, idOrName)), inUse))
    .returning();
  return row ? present(row) : null;
}

function present(row: typeof apiKeys.$inferSelect): ApiKey {
  const { id, name, createdAt, revokedAt } = row;
  return { id, name, scopes: row.scopes.split(" "), createdAtMs: createdAt, revokedAtMs: revokedAt };
}
