import { z } from "zod";
import type { Sql } from "../../db/connection/sql.js";
import { DAY_MS, dayOf } from "../../lib/days.js";
import { applyItems } from "../../sync/apply/apply.js";
import type { OnCommitted } from "../../sync/apply/batch.js";
import { userSnapshot } from "../../sync/fold/snapshot.js";
import { reachBackTo } from "../../sync/ledger/activity-history.js";
import { endDays, noteCounted } from "../../sync/ledger/sweeps.js";
import type { ProgressReporter } from "../progress.js";
import type { SandboxProcess } from "./sandbox-process.js";

const visitsPage = z.object({
  visits: z.array(z.object({ user: z.unknown(), days: z.array(z.number()) })),
  next: z.number().nullable(),
});
const dailyActives = z.object({ days: z.array(z.object({ day: z.number(), users: z.number() })) });

export interface PastVisitsDeps {
  sql: Sql;
  sandbox: Pick<SandboxProcess, "control">;
  lagMs: number;
  onCommitted: OnCommitted;
  users: number;
  historyDays: number;
  report: ProgressReporter["report"];
  signal: AbortSignal;
}

/**
 * Tells the mirror of every visit that the sandbox remembers, as the webhooks of sessions would have, had it run on those days. They go
 * the way of all that changes users, hundreds of users a commit: as webhooks they would take minutes. Then each day is compared with
 * the sandbox's own count of it, as a sweep does after midnight.
 */
export async function applyPastVisits(deps: PastVisitsDeps): Promise<void> {
  const { sql, sandbox, lagMs, onCommitted, users, historyDays, report, signal } = deps;
  let done = 0;
  for (let after: number | null = 0; after !== null; ) {
    signal.throwIfAborted();
    const page = visitsPage.parse(await sandbox.control("GET", `visits?after=${after}`));
    const items = page.visits.map(({ user, days }) => ({
      users: [
        {
          ...userSnapshot(user, "webhook", Date.now()),
          sessionTimesMs: days.map((day) => day * DAY_MS),
        },
      ],
    }));
    await applyItems(sql, items, { lagMs, onCommitted, lockTimeoutMs: LOCK_TIMEOUT_MS });
    done += page.visits.length;
    report({ phase: "past visits", done, total: users });
    after = page.next;
  }
  const counted = dailyActives.parse(await sandbox.control("GET", "daily_actives"));
  const today = dayOf(Date.now());
  const sinceDay = today - historyDays + 1;
  await reachBackTo(sql, sinceDay * DAY_MS);
  await sql.begin(async (tx) => {
    for (const { day, users: active } of counted.days.filter(({ day }) => day < today)) {
      await noteCounted(tx, { day, atMs: (day + 1) * DAY_MS, counted: active });
    }
    await endDays(tx, { sinceDay, day: today, isSwept: true });
  });
}

const LOCK_TIMEOUT_MS = 30_000;
