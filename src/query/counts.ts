import { counterNamed } from "../changes/counters.js";
import type { Availability } from "../db/connection/availability.js";
import type { Asker } from "../lib/shares.js";
import { compileFilter } from "./compile.js";
import { type Condition, keepsEverybody } from "./condition.js";
import { type CurrentPosition, createKeptAnswers } from "./kept-answers.js";
import { countStatement } from "./page.js";
import { Parameters } from "./parameters.js";
import { numberOf } from "./present.js";
import type { Run } from "./run.js";
import { countStrategy, MOST_BY_PIECES } from "./strategy.js";
import type { TermStatistics } from "./term-statistics.js";
import type { Search, Where } from "./where.js";

/** How many users a filter keeps. */
export interface Counts {
  all(asker: Asker): Promise<number>;
  of(filter: Condition, asker: Asker): Promise<number>;
}

export interface CountDeps {
  currentPosition: CurrentPosition;
  guard: Availability["guard"];
  run: Run;
  termStatistics: () => Promise<TermStatistics>;
  nowMs: () => number;
}

/** Counts of different filters kept while nothing changes. */
const COUNTS_KEPT = 1000;

export function createCounts({ currentPosition, guard, run, termStatistics, nowMs }: CountDeps): Counts {
  const kept = createKeptAnswers<number>(currentPosition, { maxSize: COUNTS_KEPT, sizeOf: () => 1 });

  async function all(asker: Asker): Promise<number> {
    const params = new Parameters();
    const statement = { text: counterNamed(params.add("users")), params };
    const [row] = await run(statement, { how: "lookup", isCommon: true }, asker);
    return numberOf(row?.[0]) ?? 0;
  }

  async function of(filter: Condition, asker: Asker): Promise<number> {
    if (keepsEverybody(filter)) return all(asker);
    const params = new Parameters();
    const statistics = await termStatistics();
    const search: Search = { statistics, mostByPieces: MOST_BY_PIECES, gather: true, nowMs: nowMs() };
    const where = compileFilter(filter, params, search);
    const question = [where.conditions, params.values];
    return kept(question, (asker) => ofMatches(where, params, asker), asker);
  }

  /** Guarded by itself: others who ask for the same wait for it, also those who come after Postgres has returned. */
  async function ofMatches(where: Where, params: Parameters, asker: Asker): Promise<number> {
    const statement = { text: countStatement(where), params };
    const [row] = await guard(() => run(statement, countStrategy(where), asker));
    return numberOf(row?.[0]) ?? 0;
  }

  return { all, of };
}
