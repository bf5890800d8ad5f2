import type { Asker } from "../lib/shares.js";
import type { Lookups } from "./lookups.js";
import type { Parameters } from "./parameters.js";
import type { RawRow } from "./present.js";
import type { Searches } from "./search-pool.js";
import type { Strategy } from "./strategy.js";

export interface Statement {
  text: string;
  params: Parameters;
}

/**
 * Runs a statement as its strategy says. `gathered` runs the one that takes its place where the strategy names it. Rejects
 * with `overloaded` where too many wait.
 */
export type Run = (
  statement: Statement,
  strategy: Strategy,
  asker: Asker,
  gathered?: () => Promise<RawRow[]>,
) => Promise<RawRow[]>;

export interface RunDeps {
  lookUp: Lookups;
  searches: Searches;
}

export function createRun({ lookUp, searches }: RunDeps): Run {
  return async ({ text, params }, strategy, asker, gathered) => {
    if (strategy.how === "lookup") return lookUp(text, params, { asker, isCommon: strategy.isCommon });
    if (strategy.how !== "guess") return searches.thoroughly(text, params, strategy.how, asker);
    const rows = await searches.guess(text, params, strategy, asker);
    if (rows) return rows;
    if (strategy.otherwise === "gathered" && gathered) return gathered();
    return searches.thoroughly(text, params, "patiently", asker);
  };
}
