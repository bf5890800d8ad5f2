import type { Database } from "../src/db/client.js";
import { analyzeTables, dropSearchIndex, ensureSearchIndex } from "../src/db/search-index.js";
import { startSandbox } from "../src/sandbox/server.js";
import { unfenced } from "../src/sync/lease.js";
import { applyPage } from "../src/sync/pages.js";

export type Person = Record<string, unknown> & { id: string };

const PER_CROWD = 10_000;
const PER_PAGE = 500;

/** Makes people by the sandbox and stores them through the mirror's own apply path, as a backfill would. */
export async function loadPeople(
  database: Database,
  wanted: number,
  onProgress: (done: number) => void,
): Promise<void> {
  const { sql } = database;
  const [stored] = await sql<{ n: number }[]>`select n from mirror_data.counters where name = 'users'`;
  let done = stored?.n ?? 0;
  if (done < wanted) await dropSearchIndex(sql);
  while (done < wanted) {
    const people = await crowd(Math.min(PER_CROWD, wanted - done), done + 1);
    for (let from = 0; from < people.length; from += PER_PAGE) {
      const items = people.slice(from, from + PER_PAGE);
      await applyPage(sql, "users", { items, startedAtMs: Date.now() }, { lagMs: 0, fence: unfenced });
      done += items.length;
      onProgress(done);
    }
  }
  await ensureSearchIndex(sql);
  await analyzeTables(sql);
  await sql`update mirror_data.upstream set backfilled_at = coalesce(backfilled_at, 1)`;
}

/** So many people, others for every seed. */
async function crowd(users: number, seed: number): Promise<Person[]> {
  const sandbox = await startSandbox({ users, seed });
  const people = sandbox.clerk.users() as Person[];
  await sandbox.close();
  return people;
}
