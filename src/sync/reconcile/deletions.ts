import type { Clock } from "../../db/connection/clock.js";
import type { Sql } from "../../db/connection/sql.js";
import { sleep } from "../../lib/async.js";
import type { Bounds } from "../ledger/windows.js";
import { idOf } from "./clerk-pages.js";
import type { ClerkReader } from "./clerk-reader.js";

/** A user whom Clerk doesn't know any more, and when the request that said so was sent. */
export interface ConfirmedGone {
  id: string;
  startedAtMs: number;
}

/** What Clerk said about users whom its list has not shown. */
export interface Confirmed {
  gone: ConfirmedGone[];
  /** Users whom the list left out, as Clerk shows them. */
  alive: { items: unknown[]; startedAtMs: number }[];
}

/** Clerk takes 100 ids in one filter. */
const IDS_PER_REQUEST = 99;
const READ_BATCH = 10_000;

/** A user, organization or membership that the mirror holds and Clerk's list has not shown. */
export interface Missing {
  id: string;
  observedAtMs: number;
}

/** Clerk's lists trail its writes by up to `lagMs`, so what was heard of a moment ago may not be in them yet. */
export async function untilSettled(
  missing: readonly Missing[],
  { clock, lagMs, signal }: { clock: Pick<Clock, "now">; lagMs: number; signal: AbortSignal },
): Promise<void> {
  const lastMs = missing.reduce((latest, { observedAtMs }) => Math.max(latest, observedAtMs), 0);
  // Never longer than the lag, even if a clock that was set back has left dates in the future.
  await sleep(Math.max(0, Math.min(lagMs, lastMs + lagMs - clock.now())), signal);
}

/**
 * A date that lies so far in the future was written before the clock was set back, and not since the reading began.
 */
const SET_BACK_MS = 60_000;

/** When the reading of a list began, and now. */
interface Reading {
  begunAtMs: number;
  nowMs: number;
}

/** The users created within these bounds that were not `seen`, but for those heard of since `begunAtMs`. */
export async function missingUsers(
  sql: Sql,
  seen: ReadonlySet<string>,
  { afterMs, beforeMs }: Bounds,
  { begunAtMs, nowMs }: Reading,
): Promise<Missing[]> {
  const missing: Missing[] = [];
  let last = { id: "", createdAtMs: afterMs ?? Number.MIN_SAFE_INTEGER };
  for (;;) {
    const rows = await sql<(Missing & { createdAtMs: number })[]>`
      select s.id, s.created_at as "createdAtMs", u.observed_at as "observedAtMs"
      from mirror_data.user_search s join mirror_data.users u using (id)
      where (s.created_at, s.id) > (${last.createdAtMs}, ${last.id})
        and s.created_at > ${afterMs ?? Number.MIN_SAFE_INTEGER}
        and s.created_at < ${beforeMs ?? Number.MAX_SAFE_INTEGER}
      order by s.created_at, s.id limit ${READ_BATCH}`;
    for (const { id, observedAtMs } of rows) {
      const isSince = observedAtMs >= begunAtMs && observedAtMs <= nowMs + SET_BACK_MS;
      if (!isSince && !seen.has(id)) missing.push({ id, observedAtMs });
    }
    const next = rows.at(-1);
    if (!next || rows.length < READ_BATCH) return missing;
    last = next;
  }
}

/**
 * Asks Clerk about each of these users: many at once, together with one who was just seen (`witness`). A list without
 * that user, or with ids that weren't asked for, proves nothing; then each user is asked for alone.
 */
export async function confirmMissing(
  clerk: ClerkReader,
  candidates: readonly string[],
  witness: string | null,
): Promise<Confirmed> {
  const confirmed: Confirmed = { gone: [], alive: [] };
  for (let from = 0; from < candidates.length; from += IDS_PER_REQUEST) {
    const asked = candidates.slice(from, from + IDS_PER_REQUEST);
    const answered = witness !== null && (await askTogether(clerk, asked, witness, confirmed));
    if (!answered) for (const id of asked) await askAlone(clerk, id, confirmed);
  }
  return confirmed;
}

async function askTogether(
  clerk: ClerkReader,
  asked: readonly string[],
  witness: string,
  confirmed: Confirmed,
): Promise<boolean> {
  const userIds = [...asked, witness];
  const page = await clerk.listUsers({ limit: IDS_PER_REQUEST + 1, userIds });
  const shown = new Set(page.items.map(idOf));
  const isProof = shown.has(witness) && [...shown].every((id) => id !== null && userIds.includes(id));
  if (!isProof) return false;
  const { startedAtMs } = page;
  const alive = page.items.filter((item) => idOf(item) !== witness);
  if (alive.length > 0) confirmed.alive.push({ items: alive, startedAtMs });
  confirmed.gone.push(...asked.filter((id) => !shown.has(id)).map((id) => ({ id, startedAtMs })));
  return true;
}

async function askAlone(clerk: ClerkReader, id: string, confirmed: Confirmed): Promise<void> {
  const answer = await clerk.getUser(id);
  if (answer.kind === "gone") confirmed.gone.push({ id, startedAtMs: answer.startedAtMs });
  else confirmed.alive.push({ items: [answer.object], startedAtMs: answer.startedAtMs });
}

/** Three users that the mirror knows well: those whom Clerk changed last. */
export async function knownUsers(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from mirror_data.user_activity order by updated_at desc, id desc limit 3`;
  return rows.map((row) => row.id);
}

/** The same for organizations. */
export async function missingOrganizations(
  sql: Sql,
  seen: ReadonlySet<string>,
  { begunAtMs, nowMs }: Reading,
): Promise<Missing[]> {
  const rows = await sql<Missing[]>`
    select id, observed_at as "observedAtMs" from mirror_data.organizations
    where payload is not null and (observed_at < ${begunAtMs} or observed_at > ${nowMs + SET_BACK_MS}) order by id`;
  return rows.filter(({ id }) => !seen.has(id));
}

export interface MissingMembership extends Missing {
  organizationId: string;
  userId: string;
}

/** The same for memberships, as far as they can be read here. */
export async function missingMemberships(
  sql: Sql,
  seen: ReadonlySet<string>,
  { begunAtMs, nowMs }: Reading,
): Promise<MissingMembership[]> {
  const rows = await sql<MissingMembership[]>`
    select m.id, m.observed_at as "observedAtMs", m.organization_id as "organizationId", m.user_id as "userId"
    from mirror.organization_memberships v join mirror_data.organization_memberships m using (id)
    where m.observed_at < ${begunAtMs} or m.observed_at > ${nowMs + SET_BACK_MS} order by m.id`;
  return rows.filter(({ id }) => !seen.has(id));
}
