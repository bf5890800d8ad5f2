import type { Status } from "../../../operations/status.js";
import type { Run } from "../../../sync/ledger/runs.js";
import type { Api } from "../visit/api.js";

/** As much of a run as the overview shows. */
export type ShownRun = Pick<
  Run,
  "id" | "mode" | "state" | "started_at" | "finished_at" | "users" | "differences" | "eta" | "error"
>;

/** What `GET /mirror/status` answers. */
export type ShownStatus = Omit<Status, "last_runs"> & { last_runs: ShownRun[] };

export const sumOf = (differences: Run["differences"]) =>
  differences.missed_create + differences.missed_update + differences.missed_delete;

/** Many may look at a time: they share what is read within a second. */
const SHARED_MS = 900;

export type SharedStatus = (api: Api) => Promise<ShownStatus | null>;

/** Null where it can't be read. Whoever asks must have the scope `admin`. */
export function createSharedStatus(now: () => number = () => performance.now()): SharedStatus {
  let last: { atMs: number; status: Promise<ShownStatus | null> } | null = null;
  return (api) => {
    if (last === null || now() - last.atMs >= SHARED_MS) {
      const status = api
        .get<ShownStatus>("/mirror/status")
        .then(({ isOk, body }) => (isOk ? body : null))
        .catch(() => null);
      last = { atMs: now(), status };
    }
    return last.status;
  };
}
