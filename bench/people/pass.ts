import type { Sql } from "../../src/db/connection/sql.js";

export type Person = Record<string, unknown> & { id: string };

/** The size of a page as Clerk is asked for it. */
export const PER_PAGE = 500;
/** How many pages a backfill has under way. */
export const AT_ONCE = 2;

/** One pass over all people: how many users a second, how long each page took, and how much WAL it wrote. */
export interface Pass {
  perSecond: number;
  pagesMs: number[];
  walBytes: number;
}

/** Hands the items over page by page, so many pages at a time. */
export async function pageByPage<T>(
  items: readonly T[],
  store: (page: readonly T[]) => Promise<unknown>,
  { perPage = PER_PAGE } = {},
): Promise<void> {
  const pages = Array.from({ length: Math.ceil(items.length / perPage) }, (_, n) =>
    items.slice(n * perPage, (n + 1) * perPage),
  );
  const work = async () => {
    for (let page = pages.shift(); page; page = pages.shift()) await store(page);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

export async function pass(
  sql: Sql,
  people: readonly Person[],
  store: (page: readonly Person[]) => Promise<unknown>,
  options: { perPage?: number } = {},
): Promise<Pass> {
  const pagesMs: number[] = [];
  const timed = async (page: readonly Person[]) => {
    const begun = performance.now();
    await store(page);
    pagesMs.push(performance.now() - begun);
  };
  const lsn = await walPosition(sql);
  const begun = performance.now();
  await pageByPage(people, timed, options);
  const perSecond = (people.length / (performance.now() - begun)) * 1000;
  return { perSecond, pagesMs, walBytes: await walSince(sql, lsn) };
}

export async function walPosition(sql: Sql): Promise<string> {
  const [row] = await sql<{ lsn: string }[]>`select pg_current_wal_insert_lsn()::text as lsn`;
  return row?.lsn ?? "";
}

export async function walSince(sql: Sql, lsn: string): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select (pg_current_wal_insert_lsn() - ${lsn}::text::pg_lsn)::bigint as n`;
  return row?.n ?? 0;
}
