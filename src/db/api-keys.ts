import { and, count, desc, eq, isNotNull, isNull, notInArray, or, sql } from "drizzle-orm";
import { plainArray, textArray } from "./connection/bulk.js";
import type { Orm } from "./connection/client.js";
import { apiKeys } from "./tables/sync.js";

/** A key as it is stored, which is never the key itself. Times are in milliseconds. */
export interface ApiKey {
  id: string;
  name: string;
  scopes: string[];
  /** Requests a second, and requests at a time, in each process. Null: the default. */
  rate: number | null;
  inFlight: number | null;
  createdAtMs: number;
  revokedAtMs: number | null;
  /** When a process last noted that it was used, which takes a minute. Null: never. */
  lastUsedAtMs: number | null;
}

const NOW = sql<number>`extract(epoch from clock_timestamp()) * 1000`;
const inUse = isNull(apiKeys.revokedAt);

/** False if another key with this name is in use. */
export async function insertApiKey(
  orm: Orm,
  key: Pick<ApiKey, "id" | "name" | "scopes"> &
    Partial<Pick<ApiKey, "rate" | "inFlight">> & { digest: string },
): Promise<boolean> {
  const { scopes, ...rest } = key;
  const inserted = await orm
    .insert(apiKeys)
    .values({ ...rest, scopes: scopes.join(" "), createdAt: NOW })
    .onConflictDoNothing()
    .returning({ id: apiKeys.id });
  return inserted.length > 0;
}

export async function countApiKeysInUse(orm: Orm): Promise<number> {
  const [row] = await orm.select({ keys: count() }).from(apiKeys).where(inUse);
  return row?.keys ?? 0;
}

/** Finds keys by their digest, without those that are revoked. */
export async function findApiKeys(orm: Orm, digests: readonly string[]): Promise<Map<string, ApiKey>> {
  const rows = await orm
    .select()
    .from(apiKeys)
    .where(and(sql`${apiKeys.digest} = any(${textArray(digests)}::text::text[])`, inUse));
  return new Map(rows.map((row) => [row.digest, present(row)]));
}

/** The newest first, revoked keys included. */
export async function listApiKeys(orm: Orm): Promise<ApiKey[]> {
  const rows = await orm.select().from(apiKeys).orderBy(desc(apiKeys.createdAt), apiKeys.id);
  return rows.map(present);
}

/** So many revoked keys are remembered, those that were revoked last. */
const MOST_REVOKED = 1000;

/** Revokes a key by its id or name. Null if no such key is in use. */
export async function revokeApiKey(orm: Orm, idOrName: string): Promise<ApiKey | null> {
  const [row] = await orm
    .update(apiKeys)
    .set({ revokedAt: NOW })
    .where(and(or(eq(apiKeys.id, idOrName), eq(apiKeys.name, idOrName)), inUse))
    .returning();
  if (!row) return null;
  const remembered = orm
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(isNotNull(apiKeys.revokedAt))
    .orderBy(desc(apiKeys.revokedAt), apiKeys.id)
    .limit(MOST_REVOKED);
  await orm.delete(apiKeys).where(and(isNotNull(apiKeys.revokedAt), notInArray(apiKeys.id, remembered)));
  return present(row);
}

/** Notes when keys, by their ids, were used. Nothing goes back. */
export async function noteKeysUsed(orm: Orm, used: ReadonlyMap<string, number>): Promise<void> {
  await orm.execute(sql`
    update ${apiKeys} k set last_used_at = u.at
    from unnest(${textArray([...used.keys()])}::text::text[], ${plainArray([...used.values()])}::text::bigint[]) as u(id, at)
    where k.id = u.id and (k.last_used_at is null or k.last_used_at < u.at)`);
}

function present(row: typeof apiKeys.$inferSelect): ApiKey {
  const { id, name, rate, inFlight, createdAt, revokedAt, lastUsedAt } = row;
  const scopes = row.scopes.split(" ");
  return {
    ...{ id, name, scopes, rate, inFlight },
    ...{ createdAtMs: createdAt, revokedAtMs: revokedAt, lastUsedAtMs: lastUsedAt },
  };
}
