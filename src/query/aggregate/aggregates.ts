import type { Asker } from "../../lib/shares.js";
import { keepsEverybody } from "../condition.js";
import type { QueryEngine, QueryEngineDeps } from "../engine.js";
import { createKeptAnswers } from "../kept-answers.js";
import { problem } from "../language/problems.js";
import { countStatement } from "../page.js";
import { numberOf } from "../present.js";
import { MOST_BY_PIECES } from "../strategy.js";
import type { Search } from "../where.js";
import { createActivityState } from "./activity-state.js";
import { leastBuckets, seriesOf } from "./buckets.js";
import { compiled, knownSpans } from "./known-spans.js";
import { presentAggregate, presentTotal, type Row, rowOf } from "./present.js";
import { readAnew } from "./read-anew.js";
import { type AggregateRequest, type Group, isOfActivity } from "./request.js";
import { type BoundedSeries, type BoundedSpan, spanFor } from "./spans.js";
import { aggregateStatement, isOfTheMoment, isUnfilled } from "./statement.js";

/** Counts users by what they have in common. */
export interface Aggregates {
  /** The answer's JSON text. Rejects with `invalid_request` where there are too many buckets or groups. */
  of(request: AggregateRequest, asker: Asker): Promise<string>;
}

/** Characters of all answers that are kept while nothing changes. The longest have some hundred thousand. */
const KEPT_CHARS = 8_000_000;

export function createAggregates(engine: QueryEngine, { guard, nowMs }: QueryEngineDeps): Aggregates {
  const { currentPosition, run, counts, termStatistics } = engine;
  const kept = createKeptAnswers<string>(currentPosition, {
    maxSize: KEPT_CHARS,
    sizeOf: (answer) => answer.length,
  });

  const activityState = createActivityState(run, guard);

  async function of(request: AggregateRequest, asker: Asker): Promise<string> {
    if (request.groups.length === 0 && keepsEverybody(request.filter)) {
      return presentTotal(await counts.all(asker));
    }
    const search = { statistics: await termStatistics(), mostByPieces: MOST_BY_PIECES, nowMs: nowMs() };
    // What is asked of this moment has it among its parameters.
    const moment = request.groups.some(isOfTheMoment) ? search.nowMs : null;
    const activity = request.groups.some(isOfActivity) ? await activityState(asker) : null;
    const question = [request, compiled(request.filter, search).params.values, moment, activity];
    return kept(question, (asker) => guard(() => answer(request, search, asker)), asker);
  }

  async function answer(request: AggregateRequest, search: Search, asker: Asker): Promise<string> {
    if (request.groups.length === 0) return presentTotal(await countOf(request, search, asker));
    const times = knownSpans(run, request.filter, search, asker);
    return readAnew(async () => {
      const spans = await Promise.all(
        request.groups.map((group) => (group.kind === "time" ? spanFor(group, request.filter, times) : null)),
      );
      refuseUnfillable(request, spans);
      const series = await Promise.all(request.groups.map((group, n) => boundedSeries(group, spans[n])));
      const { where, params } = compiled(request.filter, search);
      const statement = aggregateStatement(request, { where, params, nowMs: search.nowMs, series });
      const raw = await run(statement, { how: "as asked" }, asker);
      const rows = raw.map((row) => rowOf(row, request.groups.length));
      if (rows.some(({ isOutside }) => isOutside)) return null;
      refuseUnfilled(request, rows);
      return presentAggregate(request.groups, series, rows);
    });
  }

  async function countOf(request: AggregateRequest, search: Search, asker: Asker): Promise<number> {
    const { where, params } = compiled(request.filter, search);
    const [row] = await run({ text: countStatement(where), params }, { how: "as asked" }, asker);
    return numberOf(row?.[0]) ?? 0;
  }

  return { of };
}

async function boundedSeries(
  group: Group,
  span: BoundedSpan | null | undefined,
): Promise<BoundedSeries | null> {
  if (group.kind !== "time" || !span) return null;
  return { ...span, ...(await seriesOf(group.bucket, group.zone, span)) };
}

/** Where the rows of empty buckets come last, they may not be missed. */
const endsWithEmpty = ({ orders, cumulative }: AggregateRequest) => orders[0] === "-count" && !cumulative;

/** Before the clocks of the zones are looked at, which takes a second for four of them through two centuries. */
function refuseUnfillable(request: AggregateRequest, spans: readonly (BoundedSpan | null)[]): void {
  const least = request.groups.reduce((product, group, n) => {
    const span = spans[n];
    return group.kind === "time" && span ? product * leastBuckets(group.bucket, span) : product;
  }, 1);
  if (isUnfilled(least) && !endsWithEmpty(request)) throw tooManyGroups(least);
}

/** Rows without users come last in the order of falling counts, and where there are enough others they aren't missed. */
function refuseUnfilled(request: AggregateRequest, rows: readonly Row[]): void {
  const [first] = rows;
  if (!first || !isUnfilled(first.rowsToFill)) return;
  if (endsWithEmpty(request) && rows.length === request.limit) return;
  throw tooManyGroups(first.rowsToFill);
}

const tooManyGroups = (rows: number) =>
  problem(
    "group_by",
    `makes too many groups: ${rows} or more with the empty buckets. Narrow the filter, take longer buckets, or order by -count.`,
  );
