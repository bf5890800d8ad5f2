import type { Sql } from "../src/db/client.js";
import type { Person } from "./people.js";

export const PER_PAGE = 500;
/** As many pages as a backfill keeps under way. */
export const AT_ONCE = 2;

/** One pass over all people: how long it took, how long each page, and how much WAL it wrote. */
export interface Pass {
  perSecond: number;
  pagesMs: number[];
  walBytes: number;
}

export async function pass(
  sql: Sql,
  people: readonly Person[],
  store: (page: readonly Person[]) => Promise<unknown>,
  { atOnce = AT_ONCE, perPage = PER_PAGE } = {},
): Promise<Pass> {
  const pages = Array.from({ length: Math.ceil(people.length / perPage) }, (_, n) =>
    people.slice(n * perPage, (n + 1) * perPage),
  );
  const pagesMs: number[] = [];
  const work = async () => {
    for (let page = pages.shift(); page; page = pages.shift()) {
      const begun = performance.now();
      await store(page);
      pagesMs.push(performance.now() - begun);
    }
  };
  const lsn = await walPosition(sql);
  const begun = performance.now();
  await Promise.all(Array.from({ length: atOnce }, work));
  const perSecond = (people.length / (performance.now() - begun)) * 1000;
  return { perSecond, pagesMs, walBytes: await walSince(sql, lsn) };
}

async function walPosition(sql: Sql): Promise<string> {
  const [row] = await sql<{ lsn: string }[]>`select pg_current_wal_insert_lsn()::text as lsn`;
  return row?.lsn ?? "";
}

async function walSince(sql: Sql, lsn: string): Promise<number> {
  const [row] = await sql<{ n: number }[]>`
    select (pg_current_wal_insert_lsn() - ${lsn}::text::pg_lsn)::bigint as n`;
  return row?.n ?? 0;
}
