import type { Sql } from "../../db/connection/sql.js";
import { type Fence, fenced } from "../ledger/lease.js";
import { type DifferenceIds, REASONS, type Reason, type Run, saveProgress } from "../ledger/runs.js";
import type { PageEffects } from "./apply-page.js";

/** What a run has seen and found so far, kept in its row. */
export interface RunTally {
  seen: number;
  expected: number | null;
  /** The same user counts once for one reason. */
  differs(reason: Reason, ids: Iterable<string>): void;
  /** Counts what a page changed as missed by the webhooks. Times of activity aren't: no event tells of them. */
  count(effects: PageEffects): void;
  save(): Promise<void>;
}

/** So many ids are kept for people, and so many are remembered so as not to count one twice. */
const MOST_KEPT = 100;
const MOST_REMEMBERED = 10_000;

export interface TallyParts {
  sql: Sql;
  fence: Fence;
  /** The run as it was left: one that is resumed goes on counting. */
  run: Run;
  /** How many requests Clerk was sent so far, by whomever. */
  requests: () => number;
}

export function createTally({ sql, fence, run, requests }: TallyParts): RunTally {
  const before = run.requests - requests();
  const differences = { ...run.differences };
  const remembered = new Map(REASONS.map((reason) => [reason, new Set(run.difference_ids[reason])]));
  const tally: RunTally = {
    seen: run.users.seen,
    expected: run.users.expected,
    differs(reason, ids) {
      const known = remembered.get(reason) ?? new Set();
      for (const id of ids) {
        if (known.has(id)) continue;
        differences[reason]++;
        if (known.size < MOST_REMEMBERED) known.add(id);
      }
    },
    count(effects) {
      for (const [id, effect] of effects) {
        if (effect === "created") tally.differs("missed_create", [id]);
        if (effect === "updated") tally.differs("missed_update", [id]);
      }
    },
    save: () =>
      fenced(sql, fence, (tx) =>
        saveProgress(tx, run.id, {
          seen: tally.seen,
          expected: tally.expected,
          differences,
          differenceIds: keptIds(remembered),
          requests: before + requests(),
        }),
      ),
  };
  return tally;
}

function keptIds(remembered: ReadonlyMap<Reason, ReadonlySet<string>>): DifferenceIds {
  const kept = [...remembered].map(([reason, ids]) => [reason, [...ids].slice(0, MOST_KEPT)] as const);
  return Object.fromEntries(kept.filter(([, ids]) => ids.length > 0));
}
