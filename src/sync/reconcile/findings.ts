import type { Sql } from "../../db/connection/sql.js";
import { type Fence, fenced } from "../ledger/lease.js";
import { type DifferenceIds, REASONS, type Reason, type Run, saveProgress } from "../ledger/runs.js";
import type { Bounds } from "../ledger/windows.js";
import type { PageChanges } from "./apply-page.js";

/** What a run has seen and found so far. All that changes while a run goes on is in here; its row shows the numbers. */
export interface Findings {
  readonly usersSeen: number;
  /** How many users Clerk counts; null: it wasn't asked yet. */
  readonly usersExpected: number | null;
  /** Somebody whom Clerk has just shown; null: nobody yet. */
  readonly witness: string | null;
  expectUsers(count: number): void;
  /** Counts a page of users; one of them is the witness from now on. */
  sawUsers(count: number, witness: string | null): void;
  /** Counts users who differ. The same user counts once for one reason. */
  differs(reason: Reason, ids: Iterable<string>): void;
  /** Counts what a page changed as missed by the webhooks. Times of activity don't count: no event tells of them. */
  countMissed(effects: PageChanges): void;
  /** Notes a user whom a dry run would have stored: counts of our own users include them from now on. */
  foresee(id: string, createdAtMs: number): void;
  /** How many of the foreseen users were created within these bounds. */
  foreseenWithin(bounds: Bounds): number;
  save(): Promise<void>;
}

/** How many ids of each reason people are shown, and how many are remembered so that none counts twice. */
const MOST_KEPT = 100;
const MOST_REMEMBERED = 10_000;

export interface FindingsDeps {
  sql: Sql;
  fence: Fence;
  /** The run as it was left: one that is resumed goes on counting. */
  run: Run;
  /** How many requests Clerk was sent so far by this process. */
  requests: () => number;
}

export function createFindings({ sql, fence, run, requests }: FindingsDeps): Findings {
  const requestsBefore = run.requests - requests();
  const differences = { ...run.differences };
  const remembered = new Map(REASONS.map((reason) => [reason, new Set(run.difference_ids[reason])]));
  const foreseen = new Map<string, number>();
  let { seen, expected } = run.users;
  let witness: string | null = null;

  function differs(reason: Reason, ids: Iterable<string>): void {
    const known = remembered.get(reason) ?? new Set();
    for (const id of ids) {
      if (known.has(id)) continue;
      differences[reason]++;
      if (known.size < MOST_REMEMBERED) known.add(id);
    }
  }

  return {
    get usersSeen() {
      return seen;
    },
    get usersExpected() {
      return expected;
    },
    get witness() {
      return witness;
    },
    expectUsers(count) {
      expected = count;
    },
    sawUsers(count, shown) {
      seen += count;
      witness = shown ?? witness;
    },
    differs,
    countMissed(effects) {
      for (const [id, effect] of effects) {
        if (effect === "created") differs("missed_create", [id]);
        if (effect === "updated") differs("missed_update", [id]);
      }
    },
    foresee(id, createdAtMs) {
      foreseen.set(id, createdAtMs);
    },
    foreseenWithin({ afterMs, beforeMs }) {
      const isWithin = (at: number) =>
        (afterMs === null || at > afterMs) && (beforeMs === null || at < beforeMs);
      return [...foreseen.values()].filter(isWithin).length;
    },
    save: () =>
      fenced(sql, fence, (tx) =>
        saveProgress(tx, run.id, {
          ...{ seen, expected, differences },
          differenceIds: keptIds(remembered),
          requests: requestsBefore + requests(),
        }),
      ),
  };
}

function keptIds(remembered: ReadonlyMap<Reason, ReadonlySet<string>>): DifferenceIds {
  const kept = [...remembered].map(([reason, ids]) => [reason, [...ids].slice(0, MOST_KEPT)] as const);
  return Object.fromEntries(kept.filter(([, ids]) => ids.length > 0));
}
