import type { Asker } from "../lib/shares.js";
import { Parameters } from "../query/parameters.js";
import { numberOf, type RawRow } from "../query/present.js";
import type { Searches } from "../query/search-pool.js";

/** What told the mirror about one user, and when, as far as that is still known. */
export interface UserHistory {
  /** What the stored user rests on. Null: the mirror has never heard of the user. */
  stored: StoredFrom | null;
  /** Clerk will be asked about the user, because what was heard doesn't settle how things stand. */
  waiting: { reason: string; since: number; attempts: number; next_at: number } | null;
  /** The newest first. */
  events: HistoryEvent[];
  /** The moments back to which webhooks and changes were looked through; null: they couldn't be in time. */
  since: { webhooks: number | null; changes: number | null };
}

export interface StoredFrom {
  source: "embedded" | "webhook" | "api";
  updated_at: number;
  observed_at: number;
  deleted_at: number | null;
}

export type HistoryEvent =
  | { kind: "webhook"; at: number; type: string | null; outcome: string; message_id: string }
  /** What a reader of the feed was told. `id`: of the user, or of one of the user's memberships. */
  | { kind: "change"; at: number; type: string; id: string; version: number }
  /** A comparison with Clerk that found the user to differ. */
  | { kind: "run"; at: number; run_id: string; mode: string; reason: string }
  | { kind: "dead_letter"; at: number; type: string | null; id: string };

export type ReadUserHistory = (userId: string, asker: Asker) => Promise<UserHistory>;

export interface UserHistoryDeps {
  searches: Pick<Searches, "guess">;
  nowMs: () => number;
}

const MOST_OF_A_KIND = 100;
const MOST_RUNS = 200;
const [HOUR, DAY] = [3_600_000, 86_400_000];
/** Neither is indexed by user, which would cost each webhook: the newest are looked through, as far as a quarter of a second takes. */
const WEBHOOK_SPANS_MS = [7 * DAY, DAY, HOUR];
/** 45 ms and 5 ms on PostgreSQL 15, where nothing else asks. */
const CHANGE_ROWS = [300_000, 30_000];

const QUICK = { how: "guess", limit: "long page", prepare: false, otherwise: "patiently" } as const;
const SOURCES = ["embedded", "webhook", "api"] as const;

export function createReadUserHistory({ searches, nowMs }: UserHistoryDeps): ReadUserHistory {
  const quickly = (text: string, params: Parameters, asker: Asker) =>
    searches.guess(text, params, QUICK, asker);

  /** The largest of the bounds within which there is an answer in time. */
  async function widest<T>(bounds: readonly T[], read: (bound: T) => Promise<RawRow[] | null>) {
    for (const bound of bounds) {
      const rows = await read(bound);
      if (rows) return { bound, rows };
    }
    return null;
  }

  async function webhooks(userId: string, asker: Asker) {
    const found = await widest(WEBHOOK_SPANS_MS, (spanMs) => {
      const params = new Parameters();
      return quickly(
        `select received_at, type, outcome, message_id from mirror_data.deliveries
          where user_id = ${params.add(userId)} and received_at >= ${params.add(nowMs() - spanMs)}::bigint
          order by received_at desc limit ${MOST_OF_A_KIND}`,
        params,
        asker,
      );
    });
    const events = (found?.rows ?? []).map(
      ([at, type, outcome, messageId]): HistoryEvent => ({
        kind: "webhook",
        at: numberOf(at) ?? 0,
        type: textOf(type),
        outcome: textOf(outcome) ?? "",
        message_id: textOf(messageId) ?? "",
      }),
    );
    return { events, since: found ? nowMs() - found.bound : null };
  }

  async function changes(userId: string, asker: Asker) {
    const head = await quickly("select max(position) from mirror_data.changes", new Parameters(), asker);
    if (!head) return { events: [], since: null };
    const last = numberOf(head[0]?.[0]) ?? 0;
    const found = await widest(CHANGE_ROWS, (most) => {
      const params = new Parameters();
      const id = params.add(userId);
      // A value, not a subquery, whose share of the table the planner could only guess; with `offset 0` and
      // an order of its own, because the planner would otherwise read the whole table.
      const recent = `position > ${params.add(last - most)}::bigint`;
      return quickly(
        `with ids as materialized (
            select ${id} as id union all
            select id from mirror_data.organization_memberships where user_id = ${id})
          (select 0 as part, at, type, id, version
            from (select * from mirror_data.changes where ${recent} order by position desc offset 0) as newest
            where id = any (array(select id from ids)) limit ${MOST_OF_A_KIND})
          union all
          (select 1, at, null, null, null from mirror_data.changes where ${recent} order by position limit 1)`,
        params,
        asker,
      );
    });
    const rows = found?.rows ?? [];
    const oldest = rows.find(([part]) => textOf(part) === "1");
    const events = rows.flatMap(([part, at, type, id, version]): HistoryEvent[] =>
      textOf(part) === "1"
        ? []
        : [
            {
              kind: "change",
              at: numberOf(at) ?? 0,
              type: textOf(type) ?? "",
              id: textOf(id) ?? "",
              version: numberOf(version) ?? 0,
            },
          ],
    );
    return { events, since: found ? (numberOf(oldest?.[1]) ?? nowMs()) : null };
  }

  async function others(userId: string, asker: Asker) {
    const params = new Parameters();
    const id = params.add(userId);
    const rows = await quickly(
      `select 'stored', observed_at::text, source::text, updated_at::text, deleted_at::text from mirror_data.users where id = ${id}
        union all
        select 'waiting', since::text, reason, attempts::text, next_at::text
        from mirror_data.refetches where kind = 'user' and id = ${id}
        union all
        (select 'letter', received_at::text, id, type, null from mirror_data.dead_letters where user_id = ${id}
          order by received_at desc limit ${MOST_OF_A_KIND})
        union all
        (select 'run', coalesce(r.finished_at, r.started_at, r.queued_at)::text, r.id, r.mode, found.reason
          from (select * from mirror_data.runs order by queued_at desc limit ${MOST_RUNS}) as r
          cross join lateral jsonb_object_keys(r.difference_ids) as found(reason)
          where r.difference_ids -> found.reason ? ${id}
          order by r.queued_at desc limit ${MOST_OF_A_KIND})`,
      params,
      asker,
    );
    return (rows ?? []).map(([kind, at, ...rest]) => ({
      kind: textOf(kind),
      at: numberOf(at) ?? 0,
      rest: rest.map(textOf),
    }));
  }

  return async (userId, asker) => {
    const [heard, told, found] = await Promise.all([
      webhooks(userId, asker),
      changes(userId, asker),
      others(userId, asker),
    ]);
    const [stored, waiting] = ["stored", "waiting"].map((kind) => found.find((one) => one.kind === kind));
    const events = [...heard.events, ...told.events, ...found.flatMap(eventOf)];
    return {
      stored: stored
        ? {
            source: SOURCES[Number(stored.rest[0])] ?? "embedded",
            updated_at: Number(stored.rest[1]),
            observed_at: stored.at,
            deleted_at: stored.rest[2] == null ? null : Number(stored.rest[2]),
          }
        : null,
      waiting: waiting
        ? {
            reason: waiting.rest[0] ?? "",
            since: waiting.at,
            attempts: Number(waiting.rest[1]),
            next_at: Number(waiting.rest[2]),
          }
        : null,
      events: events.sort((a, b) => b.at - a.at),
      since: { webhooks: heard.since, changes: told.since },
    };
  };
}

function eventOf({
  kind,
  at,
  rest: [first, second, third],
}: {
  kind: string | null;
  at: number;
  rest: (string | null)[];
}): HistoryEvent[] {
  if (kind === "letter") return [{ kind: "dead_letter", at, id: first ?? "", type: second ?? null }];
  if (kind !== "run") return [];
  return [{ kind: "run", at, run_id: first ?? "", mode: second ?? "", reason: third ?? "" }];
}

const textOf = (column: Buffer | null | undefined): string | null => column?.toString("utf8") ?? null;
