import { USER_COUNT } from "../changes/counters.js";
import { newestCursor } from "../changes/cursor.js";
import type { Availability } from "../db/connection/availability.js";
import type { Sql } from "../db/connection/sql.js";
import { codeOf } from "../db/connection/trouble.js";
import type { Asker } from "../lib/shares.js";
import { createPause } from "../lib/turns.js";
import { compileFilter } from "./compile.js";
import { keepsEverybody } from "./condition.js";
import type { QueryEngine } from "./engine.js";
import { cursorText, type KeyValue } from "./language/cursor.js";
import { problem } from "./language/problems.js";
import type { UserQuery } from "./language/request.js";
import { type SortKey, sortKeys } from "./order-keys.js";
import { countStatement } from "./page.js";
import { Parameters } from "./parameters.js";
import { numberOf, type RawRow, type View } from "./present.js";
import { shownColumns, showUser } from "./project.js";
import type { Statement } from "./run.js";
import type { RunTogether } from "./search-pool.js";
import {
  type Guess,
  type Lookup,
  MOST_BY_PIECES,
  mostByPiecesOfPage,
  type WalkStrategy,
  walkStrategy,
} from "./strategy.js";
import { allFirst, inAnyWay, type Matches, walkStatement } from "./walk-page.js";
import { fromOf, type Search, type Where, whereClause } from "./where.js";

/**
 * The JSON text of a page of users, with what its caller needs to go on. Rejects with `invalid_request` where the query takes too
 * long, or the cursor is none.
 */
export type UserSearch = (query: UserQuery, view: View, asker: Asker) => Promise<Buffer<ArrayBuffer>>;

export interface UserSearchDeps {
  points: Sql;
  guard: Availability["guard"];
  engine: QueryEngine;
  /** For lockouts, which are shown as they are now. */
  nowMs: () => number;
}

/** The statement for a page. `gather`: as in `Search`. */
type PageStatement = (as: (where: Where) => Matches, gather: boolean) => Statement;

/** How each kind of statement is run. */
interface PageRunner {
  /** Null: its time is over. */
  guess(statement: Statement, how: Guess): Promise<RawRow[] | null>;
  lookUp(statement: Statement, how: Lookup, otherwise: WalkStrategy["otherwise"]): Promise<RawRow[]>;
  thoroughly(statement: Statement, how: WalkStrategy["otherwise"]): Promise<RawRow[]>;
}

/** At the moment of a count. */
const atThatMoment = ({ guess, thoroughly }: RunTogether): PageRunner => ({
  guess: ({ text, params }, { limit }) => guess(text, params, limit),
  lookUp: ({ text, params }, _how, otherwise) => thoroughly(text, params, otherwise),
  thoroughly: ({ text, params }, how) => thoroughly(text, params, how),
});

interface Found {
  /** One more than the page has, where others follow. */
  rows: RawRow[];
  keys: readonly SortKey[];
  total: number | null;
}

export function createUserSearch({ points, guard, engine, nowMs }: UserSearchDeps): UserSearch {
  const { run, searches, counts, termStatistics } = engine;

  const byItself = (asker: Asker): PageRunner => ({
    guess: ({ text, params }, how) => searches.guess(text, params, how, asker),
    lookUp: (statement, how) => run(statement, how, asker),
    thoroughly: (statement, how) => run(statement, { how }, asker),
  });

  return async (query, view, asker) => {
    // Before anything else is read: whoever follows from there misses nothing.
    const changesCursor = query.cursor?.changesCursor ?? (await guard(() => newestCursor(points)));
    const { rows, keys, total } = await found(query, asker).catch((error) => {
      throw query.cursor && codeOf(error).startsWith(DATA_EXCEPTION) ? foreignCursor() : error;
    });
    const shown = rows.slice(0, query.limit);
    const last = rows.length > query.limit ? shown.at(-1) : undefined;
    const { binding, nowMs: walkMs } = query;
    const next = last && cursorText({ binding, nowMs: walkMs, changesCursor, keys: valuesOf(last, keys) });
    return present(query, view, {
      rows: shown,
      width: keys.length,
      total,
      next: next ?? null,
      changesCursor,
    });
  };

  async function found(query: UserQuery, asker: Asker): Promise<Found> {
    const statistics = await termStatistics();
    const search = { statistics, mostByPieces: MOST_BY_PIECES, nowMs: query.nowMs };
    const mostInOrder = mostByPiecesOfPage({ offset: 0, limit: query.limit }, statistics.users, true);
    const compile = (gather: boolean) => {
      const params = new Parameters();
      const mostByPieces = gather ? MOST_BY_PIECES : mostInOrder;
      const where = compileFilter(query.filter, params, { ...search, mostByPieces, gather });
      return { params, where, keys: sortKeys(query.orders, { params, where, nowMs: query.nowMs }) };
    };
    const statement: PageStatement = (as, gather) => {
      const { params, where, keys } = compile(gather);
      const page = {
        keys,
        after: query.cursor?.keys ?? null,
        limit: query.limit + 1,
        shown: shownColumns(query.fields),
      };
      return { text: walkStatement(as(where), page, params), params };
    };
    const { where, keys } = compile(false);
    const page = (total: number | null, runner: PageRunner) =>
      total === 0
        ? []
        : rowsOf(
            walkStrategy(where, keys, { limit: query.limit, total, users: statistics.users }),
            statement,
            runner,
          );

    if (query.count === true) {
      return searches.together(asker, async (together) => {
        const total = await countExactly(query, search, together);
        return { rows: await page(total, atThatMoment(together)), keys, total };
      });
    }
    const total = query.count === "estimated" ? await estimate(query, asker) : null;
    return { rows: await page(null, byItself(asker)), keys, total };
  }

  async function rowsOf(
    { gathered, first, otherwise, isAllFirst }: WalkStrategy,
    statement: PageStatement,
    runner: PageRunner,
  ): Promise<RawRow[]> {
    if (gathered !== null) {
      const rows = await runner.guess(statement(allFirst, true), gathered);
      if (rows) return rows;
    }
    if (first?.how === "lookup") return runner.lookUp(statement(inAnyWay, false), first, otherwise);
    if (first !== null) {
      const rows = await runner.guess(statement(inAnyWay, false), first);
      if (rows) return rows;
    }
    return runner.thoroughly(statement(isAllFirst ? allFirst : inAnyWay, true), otherwise);
  }

  async function countExactly({ filter }: UserQuery, search: Search, together: RunTogether): Promise<number> {
    const params = new Parameters();
    const where = compileFilter(filter, params, { ...search, gather: true });
    const text = keepsEverybody(filter) ? USER_COUNT : countStatement(where);
    const how = where.similarities.length > 0 ? "by similarity" : "as asked";
    const [row] = await together.thoroughly(text, params, how);
    return numberOf(row?.[0]) ?? 0;
  }

  /** How many Postgres expects. */
  async function estimate({ filter, nowMs }: UserQuery, asker: Asker): Promise<number> {
    if (keepsEverybody(filter)) return counts.all(asker);
    const params = new Parameters();
    const search = { statistics: await termStatistics(), mostByPieces: MOST_BY_PIECES, nowMs };
    const where = compileFilter(filter, params, { ...search, estimate: true });
    const text = `explain (format json) select from ${fromOf(where, [], []).from} ${whereClause(where.conditions)}`;
    const rows = await searches.guess(text, params, ESTIMATING, asker);
    const [row] = rows ?? (await run({ text, params }, { how: "as asked" }, asker));
    const [{ Plan: plan }] = JSON.parse(String(row?.[0])) as [{ Plan: { "Plan Rows": number } }];
    return plan["Plan Rows"];
  }

  async function present(
    { fields, count }: UserQuery,
    view: View,
    { rows, width, total, next, changesCursor }: Presented,
  ): Promise<Buffer<ArrayBuffer>> {
    const show = showUser(fields, view, nowMs());
    const pause = createPause();
    const pieces: Buffer[] = [];
    for (const [n, row] of rows.entries()) {
      pieces.push(n === 0 ? OPEN : COMMA, ...show(row, width));
      await pause();
    }
    const rest = {
      next_cursor: next,
      ...(total !== null && { total_count: total }),
      ...(count === "estimated" && { total_count_estimated: true }),
      changes_cursor: changesCursor,
    };
    if (rows.length === 0) pieces.push(OPEN);
    return Buffer.concat([...pieces, Buffer.from(`],${JSON.stringify(rest).slice(1)}`)]);
  }
}

interface Presented {
  rows: RawRow[];
  /** How many columns stand before what is shown. */
  width: number;
  total: number | null;
  next: string | null;
  changesCursor: string;
}

/** Planning takes a millisecond; this one has no turn to wait for behind statements that take long. */
const ESTIMATING = { how: "guess", limit: "long page", prepare: false, otherwise: "patiently" } as const;

const [OPEN, COMMA] = [Buffer.from('{"data":['), Buffer.from(",")];

/** Of the codes of Postgres: a value isn't what its type allows. What stands in a cursor of ours always is. */
const DATA_EXCEPTION = "22";
const foreignCursor = () => problem("cursor", "must be a cursor that the mirror has given out.");

const valuesOf = (row: RawRow, keys: readonly SortKey[]): KeyValue[] =>
  keys.map(({ type }, n) => {
    const text = row[n]?.toString() ?? null;
    if (text === null) return null;
    if (type === "boolean") return text === "true";
    return type === "bigint" || type === "real" ? Number(text) : text;
  });
