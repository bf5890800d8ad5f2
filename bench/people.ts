import type { Database, Sql } from "../src/db/client.js";
import { analyzeTables, dropSearchIndex, ensureSearchIndex, forgetPlans } from "../src/db/search-index.js";
import { startSandbox } from "../src/sandbox/server.js";
import { unfenced } from "../src/sync/lease.js";
import { applyPage } from "../src/sync/pages.js";

export type Person = Record<string, unknown> & { id: string };

const PER_CROWD = 10_000;
const PER_PAGE = 500;
/** As many of Clerk's pages as a backfill keeps under way. */
const AT_ONCE = 2;

/**
 * Makes people by the sandbox and stores them through the mirror's own apply path, as a backfill would: what is measured
 * is what a backfill leaves behind. Returns users per second; null: all were there already.
 */
export async function loadPeople(
  database: Database,
  wanted: number,
  onProgress: (done: number) => void,
): Promise<number | null> {
  const { sql } = database;
  const [stored] = await sql<{ n: number }[]>`select n from mirror_data.counters where name = 'users'`;
  let done = stored?.n ?? 0;
  const loading = wanted - done;
  await sql`update mirror_data.upstream set backfilled_at = coalesce(backfilled_at, 1)`;
  if (loading <= 0) return null;
  let spentMs = 0;
  await dropSearchIndex(sql);
  while (done < wanted) {
    const { people, memberships } = await crowd(Math.min(PER_CROWD, wanted - done), done);
    const begun = performance.now();
    await storePeople(sql, people);
    await storePages(sql, "memberships", memberships);
    done += people.length;
    if ([PER_CROWD, 4 * PER_CROWD, 16 * PER_CROWD].includes(done)) await forgetPlans(sql);
    spentMs += performance.now() - begun;
    onProgress(done);
  }
  const begun = performance.now();
  await ensureSearchIndex(sql);
  await analyzeTables(sql);
  spentMs += performance.now() - begun;
  return (loading / spentMs) * 1000;
}

/** Page by page, as a walk does. */
export const storePeople = (sql: Sql, people: readonly Person[]) => storePages(sql, "users", people);

async function storePages(
  sql: Sql,
  kind: "users" | "memberships",
  objects: readonly Record<string, unknown>[],
): Promise<void> {
  const pages = Array.from({ length: Math.ceil(objects.length / PER_PAGE) }, (_, n) =>
    objects.slice(n * PER_PAGE, (n + 1) * PER_PAGE),
  );
  const store = async () => {
    for (let items = pages.shift(); items; items = pages.shift()) {
      await applyPage(sql, kind, { items, startedAtMs: Date.now() }, { lagMs: 0, fence: unfenced });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, store));
}

/** So many people and whom they work with, others for every `first`. */
export async function crowd(users: number, first: number) {
  const organizations = Math.ceil(users / 500);
  const sandbox = await startSandbox({ users, organizations, seed: first + 1, firstPerson: first });
  const people = sandbox.clerk.users() as Person[];
  const memberships = sandbox.clerk.memberships() as Record<string, unknown>[];
  await sandbox.close();
  return { people, memberships };
}
