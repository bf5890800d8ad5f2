import { READINESS, type Readiness } from "../http/routes/ops.js";
import { packageVersion } from "../lib/package.js";
import type { KnownLabels, MirrorCounters } from "../observability/mirror-metrics.js";
import type { StateSources } from "../observability/state-metrics.js";
import { createDatabaseStateReader } from "../operations/database-state.js";
import { kindOf, RUN_MODES } from "../sync/ledger/run-kinds.js";
import { REASONS, type Run, type RunState } from "../sync/ledger/runs.js";
import type { Ingest, IngestDeps } from "../sync/webhooks/ingest.js";
import { BUDGET_PARTS } from "../upstream/request-queue.js";
import type { Mirror, MirrorObservers } from "./mirror.js";

/** What the mirror's counters begin with. */
export const KNOWN_LABELS: KnownLabels = {
  runModes: RUN_MODES,
  runStates: ["succeeded", "failed", "stopped"] satisfies RunState[],
  driftReasons: REASONS,
  budgets: BUDGET_PARTS,
};

/** Counts what the parts of the mirror tell of. */
export function countingObservers(count: MirrorCounters): MirrorObservers {
  return {
    upstream: { onSent: count.upstreamRequest, onRefused: count.upstreamRefused },
    onRunEnded: (run) =>
      count.run({ mode: run.mode, state: run.state, ms: tookMs(run), found: repairedBy(run) }),
  };
}

/** Counts the webhooks that were answered, and how late those came that changed something. */
export function webhookCounter(
  count: MirrorCounters,
  nowMs: () => number,
): NonNullable<IngestDeps["onReceived"]> {
  return ({ status, sentAtMs }) =>
    count.webhook({
      outcome: status,
      lagMs: status === "applied" && sentAtMs !== null ? nowMs() - sentAtMs : null,
    });
}

const tookMs = ({ started_at, finished_at }: Run) =>
  started_at === null || finished_at === null ? null : finished_at - started_at;

/** A dry run finds what a later one finds again, and for a backfill everything is new. */
function repairedBy({ mode, differences }: Run): Partial<Run["differences"]> {
  const { task, dryRun } = kindOf(mode);
  return task === "fill" || dryRun ? {} : differences;
}

/** Where the metrics that are read on demand come from. */
export function stateSourcesOf(
  { store, availability, completeness, cache, upstreamWaiting }: Mirror,
  { readiness, ingest }: { readiness: () => Readiness; ingest: Pick<Ingest, "waiting"> },
): StateSources {
  const { database, clock } = store;
  const ageMs = (atMs: number | null) => (atMs === null ? null : Math.max(0, clock.now() - atMs));
  return {
    versions: { mirror: packageVersion(), node: process.versions.node },
    state: () => ({ is: readiness(), of: READINESS }),
    proofAgeMs: () => ({
      users: ageMs(completeness.asOfMs()),
      memberships: ageMs(completeness.membershipsAsOfMs()),
    }),
    cache: cache.stats,
    pools: database.connections.stats,
    webhooksWaiting: ingest.waiting,
    upstreamWaiting,
    database: createDatabaseStateReader(database.readers.points, availability.guard),
  };
}
