import { and, desc, eq, isNull, or, sql } from "drizzle-orm";
import { textArray } from "./connection/bulk.js";
import type { Orm } from "./connection/client.js";
import { apiKeys } from "./tables/sync.js";

/** A key as it is stored: never the key itself. Times in milliseconds. */
export interface ApiKey {
  id: string;
  name: string;
  scopes: string[];
  /** Requests a second and at a time, of each process; null: the default. */
  rate: number | null;
  inFlight: number | null;
  createdAtMs: number;
  revokedAtMs: number | null;
}

const NOW = sql<number>`extract(epoch from clock_timestamp()) * 1000`;
const inUse = isNull(apiKeys.revokedAt);

/** False: another key of this name is in use. */
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

/** By digest, of keys that are not revoked. */
export async function findApiKeys(orm: Orm, digests: readonly string[]): Promise<Map<string, ApiKey>> {
  const rows = await orm
    .select()
    .from(apiKeys)
    .where(and(sql`${apiKeys.digest} = any(${textArray(digests)}::text::text[])`, inUse));
  return new Map(rows.map((row) => [row.digest, present(row)]));
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
  const { id, name, rate, inFlight, createdAt, revokedAt } = row;
  const scopes = row.scopes.split(" ");
  return { id, name, scopes, rate, inFlight, createdAtMs: createdAt, revokedAtMs: revokedAt };
}
