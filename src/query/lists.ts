import type { Availability } from "../db/connection/availability.js";
import { textArray } from "../db/connection/bulk.js";
import type { Sql } from "../db/connection/sql.js";
import { createPointReads } from "../lib/point-reads.js";
import type { Asker } from "../lib/shares.js";
import { sqlText } from "../lib/text.js";
import { invalid, type ListParams } from "./clerk-params.js";
import { compileFilter } from "./compile.js";
import { type Condition, keepsEverybody } from "./condition.js";
import type { Counts } from "./counts.js";
import { ORDER_COLUMNS } from "./order.js";
import { type PageRequest, pageStatement } from "./page.js";
import { Parameters } from "./parameters.js";
import type { RawRow } from "./present.js";
import type { Run, Statement } from "./run.js";
import { gatheredPageStrategy, MOST_BY_PIECES, mostByPiecesOfPage, pageStrategy } from "./strategy.js";
import type { TermStatistics } from "./term-statistics.js";
import type { Search, Where } from "./where.js";

/** The rows of one page, for `presentUser`. Rejects with `invalid_request` where the cursor is no user. */
export type Lists = (params: ListParams, asker: Asker) => Promise<RawRow[]>;

export interface ListDeps {
  points: Sql;
  guard: Availability["guard"];
  run: Run;
  counts: Pick<Counts, "all">;
  termStatistics: () => Promise<TermStatistics>;
  nowMs: () => number;
}

export function createLists({ points, guard, run, counts, termStatistics, nowMs }: ListDeps): Lists {
  const cursorById = createPointReads<number>((ids) => guard(() => createdAt(ids)));

  async function list(params: ListParams, asker: Asker): Promise<RawRow[]> {
    const { filter, limit, offset, orderBy, startingAfter } = params;
    const after = startingAfter === null ? null : await cursor(startingAfter);
    const statistics = await termStatistics();
    const isDeep = offset > 0 && keepsEverybody(filter);
    const fromEnd = isDeep && offset > (await counts.all(asker)) / 2;
    return page(filter, { orderBy, limit, offset, after, fromEnd }, statistics, asker);
  }

  async function page(
    filter: Condition,
    request: PageRequest,
    statistics: TermStatistics,
    asker: Asker,
  ): Promise<RawRow[]> {
    const isBeside = ORDER_COLUMNS[request.orderBy.field].table !== "search";
    const mostByPieces = mostByPiecesOfPage(request, statistics.users, isBeside);
    const { where, statement } = compilePage(filter, request, { statistics, mostByPieces, nowMs: nowMs() });
    return run(statement, pageStrategy(where, request), asker, () => {
      const anew = compilePage(filter, request, {
        ...{ statistics, mostByPieces: MOST_BY_PIECES, gather: true, nowMs: nowMs() },
      });
      return run(anew.statement, gatheredPageStrategy(anew.where), asker);
    });
  }

  /** Where the page starts: behind this user, whether the filter keeps it or not. */
  async function cursor(id: string): Promise<PageRequest["after"]> {
    const createdAtMs = await cursorById(sqlText(id));
    if (createdAtMs !== null) return { id, createdAtMs };
    throw invalid("starting_after", `No user was found with id ${id}.`, "form_resource_not_found");
  }

  async function createdAt(ids: readonly string[]): Promise<Map<string, number>> {
    const rows = await points<{ id: string; createdAtMs: number }[]>`
      select id, created_at as "createdAtMs" from mirror_data.user_search
      where id = any(${textArray(ids)}::text::text[])`;
    return new Map(rows.map(({ id, createdAtMs }) => [id, createdAtMs]));
  }

  return list;
}

function compilePage(
  filter: Condition,
  request: PageRequest,
  search: Search,
): { where: Where; statement: Statement } {
  const params = new Parameters();
  const where = compileFilter(filter, params, search);
  return { where, statement: { text: pageStatement(where, request, params), params } };
}
