import { dayOf } from "../../lib/days.js";
import type { Asker } from "../../lib/shares.js";
import type { QueryEngine, QueryEngineDeps } from "../engine.js";
import { createKeptAnswers } from "../kept-answers.js";
import { problem } from "../language/problems.js";
import { numberOf } from "../present.js";
import { MOST_BY_PIECES } from "../strategy.js";
import type { Search } from "../where.js";
import { type ActivityState, createActivityState } from "./activity-state.js";
import { seriesOf } from "./buckets.js";
import type { RetentionRequest } from "./cohorts-request.js";
import { OUTSIDE, retentionStatement, type Told } from "./cohorts-statement.js";
import { compiled, knownSpans } from "./known-spans.js";
import { dayNamed, periodsOf } from "./periods.js";
import { readAnew } from "./read-anew.js";
import type { TimeGroup } from "./request.js";
import { type BoundedSeries, spanFor } from "./spans.js";

/** Follows users who were created together. */
export interface Cohorts {
  /** The answer's JSON text. Rejects with `invalid_request` where there are too many cohorts. */
  of(request: RetentionRequest, asker: Asker): Promise<string>;
}

/** Characters of all answers that are kept while nothing changes. The longest have some hundred thousand. */
const KEPT_CHARS = 2_000_000;
/** Cohorts times periods. */
const MOST_NUMBERS = 100_000;

export function createCohorts(engine: QueryEngine, { guard, nowMs }: QueryEngineDeps): Cohorts {
  const { currentPosition, run, termStatistics } = engine;
  const activityState = createActivityState(run, guard);
  const kept = createKeptAnswers<string>(currentPosition, {
    maxSize: KEPT_CHARS,
    sizeOf: (answer) => answer.length,
  });

  async function of(request: RetentionRequest, asker: Asker): Promise<string> {
    const search = { statistics: await termStatistics(), mostByPieces: MOST_BY_PIECES, nowMs: nowMs() };
    const state = await activityState(asker);
    const told = toldPeriods(request, state, search.nowMs);
    const question = [request, compiled(request.filter, search).params.values, state, told];
    return kept(question, (asker) => guard(() => answer(request, search, told, asker)), asker);
  }

  async function answer(
    request: RetentionRequest,
    search: Search,
    told: Told | null,
    asker: Asker,
  ): Promise<string> {
    const { filter, cohort, zone, periods } = request;
    const group: TimeGroup = { kind: "time", field: "created_at", bucket: cohort, zone, at: "cohort" };
    return readAnew(async () => {
      const span = await spanFor(group, filter, knownSpans(run, filter, search, asker));
      const series = { ...span, ...(await seriesOf(cohort, zone, span)) };
      if (series.labels.length * periods > MOST_NUMBERS) throw tooManyCohorts(series.labels.length);
      const cohorts = series.labels.map((label) => periodsOf(cohort).of(dayNamed(label)));
      const { where, params } = compiled(filter, search);
      const statement = retentionStatement(request, { where, params, series, cohorts, told });
      const rows = (await run(statement, { how: "as asked" }, asker)).map((row) => row.map(numberOf));
      if (rows.some(([number]) => number === OUTSIDE)) return null;
      return presentCohorts(rows, { series, cohorts, periods, told });
    });
  }

  return { of };
}

interface Presented {
  series: BoundedSeries;
  cohorts: readonly number[];
  periods: number;
  told: Told | null;
}

/** From the first cohort that has somebody to the last, but for bounds that the filter sets. */
function presentCohorts(
  rows: readonly (number | null)[][],
  { series, cohorts, periods, told }: Presented,
): string {
  const counted = new Map(rows.map(([number, after, users]) => [`${number} ${after}`, users]));
  const countOf = (number: number, after: number | null) => counted.get(`${number} ${after}`) ?? 0;
  const isTold = (period: number) => told !== null && period >= told.from && period <= told.to;
  const shown = cohorts.map((period, number) => ({
    cohort: series.labels[number],
    users: countOf(number, null),
    active: Array.from({ length: periods }, (_, after) =>
      isTold(period + after) ? countOf(number, after) : null,
    ),
  }));
  const numbers = rows.map(([number]) => number ?? 0);
  const first = series.isFromBound ? 0 : Math.min(...numbers);
  const last = series.isToBound ? cohorts.length - 1 : Math.max(...numbers);
  return JSON.stringify({ data: shown.slice(first, last + 1) });
}

/**
 * From the period in which the history begins: whoever was active in it before is known by the last time, which is in it too. To the
 * one that has begun last.
 */
function toldPeriods({ cohort }: RetentionRequest, { sinceMs }: ActivityState, nowMs: number): Told | null {
  if (sinceMs === null) return null;
  const periods = periodsOf(cohort);
  return { from: periods.of(dayOf(sinceMs)), to: periods.of(dayOf(nowMs)) };
}

const tooManyCohorts = (cohorts: number) =>
  problem(
    "cohort",
    `makes too many: ${cohorts}, each with its periods. Set bounds to created_at in the filter, take months, or fewer periods.`,
  );
