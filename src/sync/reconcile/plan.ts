import { userCount } from "../../changes/counters.js";
import { type Window, windowsBetween } from "../ledger/windows.js";
import { countWithin, fitsOnePage, keepsToBounds } from "./bounds.js";
import { createdAtOf } from "./clerk-pages.js";
import type { RunContext } from "./run-context.js";

/** More windows than this would only cost more counts, because few of them are read side by side. */
const MOST_WINDOWS = 16;

/** Both bounds included. */
interface Span {
  fromMs: number;
  toMs: number;
  users: number;
}

/**
 * Windows for a mirror that holds nobody yet. Clerk counts the users created in each half, again and again, until the
 * parts are small. One window if that isn't worth it, or if this Clerk doesn't respect bounds.
 */
export async function planByCounts(run: RunContext): Promise<Window[]> {
  const { clerk, clock, findings, windowUsers } = run;
  const total = findings.usersExpected ?? 0;
  if (fitsOnePage(total) || total <= windowUsers || !(await keepsToBounds(run))) {
    return windowsBetween([]);
  }
  const { items } = await clerk.listUsers({ limit: 1, orderBy: "+created_at" });
  const oldestMs = createdAtOf(items[0]);
  if (oldestMs === null) return windowsBetween([]);
  const most = Math.max(windowUsers, Math.ceil(total / MOST_WINDOWS));
  const spans = await divide(run, { fromMs: oldestMs, toMs: clock.now(), users: total }, most);
  return windowsBetween(
    joined(spans, most)
      .map(({ toMs }) => toMs)
      .slice(0, -1),
  );
}

async function divide(run: RunContext, span: Span, most: number): Promise<Span[]> {
  const { fromMs, toMs, users } = span;
  if (users <= most || toMs <= fromMs) return [span];
  const middleMs = Math.floor((fromMs + toMs) / 2);
  const older = await countWithin(run, { afterMs: fromMs - 1, beforeMs: middleMs + 1 });
  const halves = [
    { fromMs, toMs: middleMs, users: older },
    { fromMs: middleMs + 1, toMs, users: users - older },
  ];
  return (await Promise.all(halves.map((half) => divide(run, half, most)))).flat();
}

/** Joins small neighbours, because a window costs at least one request. */
function joined(spans: readonly Span[], most: number): Span[] {
  const parts: Span[] = [];
  for (const span of spans) {
    const last = parts.at(-1);
    if (last && last.users + span.users <= most) {
      last.toMs = span.toMs;
      last.users += span.users;
    } else parts.push({ ...span });
  }
  return parts;
}

/**
 * Windows of about equal size over what the mirror already holds. It knows when its users were created, so no request
 * is needed. One window if this Clerk doesn't respect bounds.
 */
export async function planByOwnUsers(run: RunContext): Promise<Window[]> {
  const { sql, windowUsers } = run;
  const parts = Math.ceil((await userCount(sql)) / windowUsers);
  if (parts < 2 || !(await keepsToBounds(run))) return windowsBetween([]);
  const rows = await sql<{ last: number }[]>`
    select max(created_at)::bigint as last
    from (select created_at, ntile(${parts}::integer) over (order by created_at) as part
      from mirror_data.user_search) as parts
    group by part order by part`;
  const lasts = rows.map(({ last }) => last).slice(0, -1);
  return windowsBetween([...new Set(lasts)]);
}
