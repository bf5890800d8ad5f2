import { readFileSync } from "node:fs";
import { type Goal, type Line, median } from "../report/table.js";
import { type LoadRequest, type LoadResult, runLoad } from "./load.js";
import type { Target } from "./processes.js";

/** One thing to measure: the same requests that its reference takes, where it takes them too. */
export interface Scenario {
  what: string;
  target: Target;
  requests: () => Promise<LoadRequest[]> | LoadRequest[];
  connections?: number;
  /** The scenario that this one is compared with. It must stand before this one. */
  reference?: string;
  /** How many times the reference it must reach at least. */
  goal?: number;
  /** How many times the reference's p99 it may take at most. */
  p99Goal?: number;
  /** How many milliseconds its p99 may take at most. */
  p99GoalMs?: number;
  /** How many times another scenario it must reach at least. */
  floor?: { what: string; as: string; goal: number };
}

export interface LoadOptions {
  seconds: number;
  rounds: number;
  connections: number;
}

/** Runs all scenarios once per round, so that whatever else the machine does affects them alike. */
export async function measureHttp(
  scenarios: readonly Scenario[],
  options: LoadOptions,
  say: (text: string) => void,
): Promise<Line[]> {
  const results = new Map<string, LoadResult[]>(scenarios.map(({ what }) => [what, []]));
  for (let round = 0; round <= options.rounds; round++) {
    for (const { what, target, requests, connections = options.connections } of scenarios) {
      say(round === 0 ? `warming up: ${what}` : `round ${round} of ${options.rounds}: ${what}`);
      const result = await runLoad({
        ...{ url: target.url, requests: await requests(), connections },
        seconds: round === 0 ? 1 : options.seconds,
      });
      if (result.failures > 0) throw new Error(`${what}: ${result.failures} requests failed`);
      if (round > 0) results.get(what)?.push(result);
    }
  }
  const of = (what: string, pick: (result: LoadResult) => number) =>
    median((results.get(what) ?? []).map(pick));
  return scenarios.map(({ what, reference = null, goal, p99Goal, p99GoalMs, floor }) => {
    const perSecond = of(what, (result) => result.perSecond);
    const p99Ms = of(what, (result) => result.p99Ms);
    const ratio = reference === null ? null : perSecond / of(reference, (result) => result.perSecond);
    const p99Ratio = reference === null ? 0 : p99Ms / of(reference, (result) => result.p99Ms);
    const goals = [
      ...(goal === undefined || ratio === null ? [] : [{ text: `≥ ${goal} ×`, met: ratio >= goal }]),
      ...(floor ? [timesGoal(perSecond / of(floor.what, (result) => result.perSecond), floor)] : []),
      ...(p99Goal === undefined
        ? []
        : [{ text: `p99 ≤ ${p99Goal} × (is ${p99Ratio.toFixed(2)})`, met: p99Ratio <= p99Goal }]),
      ...(p99GoalMs === undefined ? [] : [{ text: `p99 ≤ ${p99GoalMs} ms`, met: p99Ms <= p99GoalMs }]),
    ];
    return { what, unit: "/s", median: perSecond, p99Ms, reference, ratio, goals };
  });
}

/** A goal relative to a scenario that has a line of its own. */
export const timesGoal = (ratio: number, { as, goal }: { as: string; goal: number }): Goal => ({
  text: `≥ ${goal} × ${as} (is ${ratio.toFixed(2)})`,
  met: ratio >= goal,
});

/** The most memory that the process ever held, as Linux counts it. Null elsewhere. */
export function peakMegabytes({ pid }: Target): number | null {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return kilobytes === undefined ? null : Math.round((Number(kilobytes) * 1024) / 1e6);
  } catch {
    return null;
  }
}
