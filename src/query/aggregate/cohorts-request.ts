import type { Condition } from "../condition.js";
import { type FilterContext, parseFilter } from "../language/json-filter.js";
import { parseBody } from "../language/json-text.js";
import { problem, shown } from "../language/problems.js";
import { zoneOf } from "./request.js";

/** How many of those who were created together come back, week by week or month by month. */
export interface RetentionRequest {
  filter: Condition;
  cohort: Cohort;
  /** Of how many weeks or months each cohort is told, its own first. */
  periods: number;
  /** Whose calendar says when somebody was created. Days of activity are UTC days. */
  zone: string;
}

export const COHORTS = ["week", "month"] as const;
export type Cohort = (typeof COHORTS)[number];

const NAMES = ["filter", "cohort", "periods", "time_zone"];
export const USUAL_PERIODS = 12;
export const MOST_PERIODS = 100;

/**
 * From the body of `POST /mirror/users/retention`. Null stands for what isn't given, but for a filter. Throws `invalid_request` with
 * the JSON path of what is wrong, or `forbidden` where a scope is missing.
 */
export function parseRetention(text: string, context: FilterContext): RetentionRequest {
  const given = parseBody(text, { names: NAMES });
  return {
    filter: parseFilter(given.has("filter") ? given.get("filter") : {}, context),
    cohort: cohortOf(given.get("cohort")),
    periods: countOfPeriods(given.get("periods")),
    zone: zoneOf(given.get("time_zone"), "time_zone"),
  };
}

function cohortOf(value: unknown): Cohort {
  const cohort = COHORTS.find((known) => known === (value ?? "week"));
  if (cohort) return cohort;
  throw problem("cohort", `must be one of ${COHORTS.join(", ")}, not ${shown(value)}.`);
}

function countOfPeriods(value: unknown): number {
  const periods = value ?? USUAL_PERIODS;
  if (typeof periods === "number" && Number.isInteger(periods) && periods >= 1 && periods <= MOST_PERIODS) {
    return periods;
  }
  throw problem("periods", `must be a whole number from 1 to ${MOST_PERIODS}.`);
}
