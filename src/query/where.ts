import { type From, LEAN_COLUMNS, type Table, tablesOf } from "./columns.js";
import type { TermStatistics } from "./term-statistics.js";

/**
 * What a filter says about itself without asking the database. `strategy.ts` decides from it how a statement is run.
 */
export interface Traits {
  /** Which tables the conditions speak of. */
  tables: ReadonlySet<Table>;
  /** At most a few users are kept, because values that are indexed name them. */
  few: boolean;
  /** An `or` that must hold is known by indexes of several tables: those who meet it can be gathered. */
  spread: boolean;
  /** How users with the terms are found; null: there is no term. */
  terms: "by index" | "by looking" | null;
  /** A term has pieces that an index knows, but too many users have them: that index wasn't used. */
  hasCommonPieces: boolean;
  /**
   * How many comparisons the filter has, counting `or` and `not` too. The more, the less likely the statement is to
   * recur.
   */
  size: number;
  /** What those tables are joined to: SQL behind their names. */
  joins: readonly string[];
  /**
   * The rows of `user_search` among which all are who are kept: SQL that stands in its place. `lean`: with columns that `user_names` has too,
   * so that whoever is found by a name needn't be looked up there. Null: the table stands there itself.
   */
  source: { whole: string; lean: string } | null;
  /** How similar a user is, for each condition that asks for it: SQL, null where there is nothing to compare. */
  similarities: readonly string[];
}

/** A filter in SQL, over the tables of `columns.ts`. */
export interface Where extends Traits {
  /** All of them must hold. */
  conditions: string[];
  /** A statement that returns all who match, each once, for counting them. Null: there is none. */
  everyMatch: string | null;
}

/** How conditions are looked for. */
export interface Search {
  statistics: TermStatistics;
  /** Where a larger share of users has the pieces of a term, their index isn't used. */
  mostByPieces: number;
  /**
   * All who match are read, in no order: who has a term, or meets an `or` of what several indexes know, is gathered from them, and who
   * has a similar name from the names that are similar, which takes as long as there are many. Else each user is asked, which fills a page
   * soon where many match.
   */
  gather?: boolean;
  /** Postgres is asked how many there are, and nothing is read: what it has statistics of is asked for as it stands. */
  estimate?: boolean;
  /** Who is locked at this moment. */
  nowMs: number;
}

/**
 * The tables of a filter, and of what else a statement speaks of; and the column with the user's id. `reads`: what is read of these tables
 * besides the conditions; null: it may be anything.
 */
export function fromOf(
  where: Pick<Where, "tables" | "joins" | "source" | "conditions">,
  others: readonly Table[] = [],
  reads: readonly string[] | null = null,
): From {
  const { tables, joins, source, conditions } = where;
  const isLean = reads !== null && ![...conditions, ...joins, ...reads].some((sql) => BEYOND_LEAN.test(sql));
  const { from, id } = tablesOf(new Set([...tables, ...others]), {
    source: source && (isLean ? source.lean : source.whole),
  });
  return { from: [from, ...joins].join(" "), id };
}

const BEYOND_LEAN = new RegExp(`\\bs\\.(?!(?:${LEAN_COLUMNS.join("|")})\\b)`);

export const whereClause = (conditions: readonly string[]) =>
  conditions.length > 0 ? `where ${conditions.join(" and ")}` : "";
