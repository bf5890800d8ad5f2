import type { Availability } from "../db/connection/availability.js";
import type { Readers } from "../db/connection/client.js";
import { type Counts, createCounts } from "./counts.js";
import { type CurrentPosition, createCurrentPosition } from "./kept-answers.js";
import { createLookups } from "./lookups.js";
import { createRun, type Run } from "./run.js";
import { createSearches, type Searches } from "./search-pool.js";
import { createTermStatistics, type TermStatistics } from "./term-statistics.js";

/** What every question about users is answered with. There is one in a process: it decides who waits for whom. */
export interface QueryEngine {
  run: Run;
  searches: Searches;
  counts: Counts;
  currentPosition: CurrentPosition;
  termStatistics: () => Promise<TermStatistics>;
}

export interface QueryEngineDeps {
  guard: Availability["guard"];
  nowMs: () => number;
}

export function createQueryEngine(readers: Readers, { guard, nowMs }: QueryEngineDeps): QueryEngine {
  const { points } = readers;
  const searches = createSearches(readers);
  const run = createRun({ lookUp: createLookups(points, guard), searches });
  const currentPosition = createCurrentPosition(points, guard);
  const termStatistics = createTermStatistics(points, guard);
  const counts = createCounts({ currentPosition, guard, run, termStatistics, nowMs });
  return { run, searches, counts, currentPosition, termStatistics };
}
