import type { ShownStatus } from "./status.js";

/** Something that somebody should know of, and what to do about it. */
export interface Problem {
  tone: "bad" | "warn";
  what: string;
  next: string;
  /** The page that helps. */
  page: string | null;
}

const HOUR_MS = 3_600_000;

/** Whether Clerk counted other users than the mirror had, and no run has ended well since. */
export function hasGap({ upstream, last_runs }: ShownStatus): boolean {
  if (upstream?.users == null || upstream.users === upstream.users_here) return false;
  const healed = last_runs.some(
    ({ state, mode, finished_at }) =>
      state === "succeeded" &&
      /^(backfill|incremental|full)$/.test(mode) &&
      (finished_at ?? 0) >= (upstream.counted_at ?? 0),
  );
  return !healed;
}

/** What is wrong with a mirror by its status, the worst first. */
export function problemsOf(status: ShownStatus, nowMs: number): Problem[] {
  const problems: Problem[] = [];
  const bad = (what: string, next: string, page: string | null = null) =>
    problems.push({ tone: "bad", what, next, page });
  const warn = (what: string, next: string, page: string | null = null) =>
    problems.push({ tone: "warn", what, next, page });
  const { upstream, budget, webhooks, activity } = status;

  const [last] = status.last_runs.filter(
    ({ state, mode }) => /^(succeeded|failed|stopped)$/.test(state) && mode !== "sweep",
  );
  if (last?.state === "stopped")
    bad(
      `The last run was stopped: ${last.error ?? "nobody says why"}`,
      "If those users are really gone at Clerk, run `user-mirror reconcile --full --allow-purge`.",
      "runs",
    );
  else if (last?.state === "failed")
    bad(
      `The last run failed: ${last.error ?? "nobody says why"}`,
      "It is tried again by itself; look at the run.",
      "runs",
    );
  if (status.state !== "backfilling" && status.as_of !== null && nowMs - status.as_of > HOUR_MS)
    bad(
      "The mirror hasn't been proved complete for more than an hour.",
      "See whether runs end, and whether Clerk answers.",
      "runs",
    );
  if (status.dead_letters > 0)
    bad(
      `${status.dead_letters} messages could not be applied.`,
      "Look at why, then replay or drop them.",
      "dead-letters",
    );
  if (status.walker === null)
    warn(
      "No process does the runs at present.",
      "One takes over within 15 seconds, if any is up and Postgres is reachable.",
    );
  if (webhooks.configured === false)
    warn(
      "Webhooks aren't set up: changes arrive with the next reconcile.",
      "Add an endpoint in Clerk that leads to /webhooks/clerk, and set CLERK_WEBHOOK_SIGNING_SECRET.",
    );
  if (upstream && hasGap(status))
    warn(
      `Clerk counted ${upstream.users} users where the mirror had ${upstream.users_here}.`,
      "The next run finds the difference; start one to have it now.",
      "runs",
    );
  if (budget.paused_until !== null && budget.paused_until > nowMs)
    warn(
      "Clerk asked the mirror to wait (429).",
      "Runs go on by themselves; lower UPSTREAM_BACKGROUND_SHARE if this happens often.",
    );
  else if (budget.share < 1)
    warn(
      `Runs ask Clerk less often since it answered 429: ${Math.round(budget.share * 100)} % of their share.`,
      "It rises again by itself.",
    );
  const incomplete = activity?.incomplete_days.length ?? 0;
  if (incomplete > 0)
    warn(
      `On ${incomplete} of the last ${incomplete + (activity?.complete_days ?? 0)} days somebody may have been active of whom the mirror doesn't know.`,
      "A mirror that runs over midnight, with webhooks of sessions, knows all of them.",
    );
  return problems;
}
