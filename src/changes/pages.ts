import type { Availability } from "../db/connection/availability.js";
import { textArray } from "../db/connection/bulk.js";
import type { Sql } from "../db/connection/sql.js";
import { shareNextRun } from "../lib/async.js";
import { AppError } from "../lib/errors.js";
import { type Asker, createShares, OURSELVES } from "../lib/shares.js";
import { cursorOf, type FeedPlace, newestPlace, recentPlace } from "./cursor.js";
import type { Change } from "./feed.js";

/** A row of the feed, which is also a place in it: the one behind itself. */
export interface FeedRow extends Change, FeedPlace {}

export const KINDS = ["user", "organization", "membership"] as const;
export type ChangedKind = (typeof KINDS)[number];
export const kindOf = ({ type }: Pick<Change, "type">) => type.slice(0, type.indexOf(".")) as ChangedKind;

/** The kinds that a caller names, separated by commas; all of them where none is. Null: one of them isn't a kind. */
export function kindsNamed(text: string | undefined): ReadonlySet<ChangedKind> | null {
  const named = text === undefined ? KINDS : text.split(",");
  const isKind = (name: string): name is ChangedKind => (KINDS as readonly string[]).includes(name);
  return named.every(isKind) ? new Set(named) : null;
}

/** What is read: the kinds, and how many rows at most. */
export interface PageRequest {
  kinds: ReadonlySet<ChangedKind>;
  limit: number;
}

export interface FeedPage {
  /** In the order of commits. */
  rows: FeedRow[];
  /** Where to go on from: everything that was asked for up to here is in `rows`. */
  end: FeedPlace;
  /** Whether the feed goes on behind `end`, perhaps only with rows of other kinds. */
  hasMore: boolean;
}

/** Reads the feed page by page. It must be read where it is written: a replica doesn't have the newest rows yet. */
export interface FeedPages {
  /** Behind the newest row. */
  newest(): Promise<FeedPlace>;
  /** Before the newest rows, for who wants to see what has happened last. Null: from the oldest row on. */
  recent(): Promise<FeedPlace | null>;
  /**
   * The page behind a place; null: from the oldest row on that is still there. Rejects with `expired` where rows behind the place may be gone: they were too old, or the
   * database isn't the one that the place was in.
   */
  after(place: FeedPlace | null, request: PageRequest, asker?: Asker): Promise<FeedPage>;
}

export interface FeedPagesDeps {
  sql: Sql;
  availability: Pick<Availability, "guard">;
  nowMs: () => number;
  /** How long rows are kept at least. */
  retentionMs: number;
}

/**
 * The connections are those that store webhooks, and are shared with them: few pages are read at a time. A page takes a
 * millisecond or two.
 */
const AT_ONCE = { width: 2, mostWaiting: 1000, longestWaitMs: 10_000 };

/**
 * How many positions one statement looks at. A reader of a kind that is rare would otherwise read to the end of the feed
 * for each page: half a second in 5 million rows, against 3 ms.
 */
export const WINDOW = 10_000;

/** Rows are dated before their commit, so the first ones may be older than the moment at which the feed was seen empty. */
const COMMIT_MS = 60_000;

type Raw = FeedPlace & {
  part: "from" | "oldest" | "end" | "row";
  type: Change["type"];
  id: string;
  version: number;
};

/**
 * The own row of the place, the oldest row of the feed, the last row of the window with the newest position in its column
 * `version`, and the rows themselves: all in one statement, since between two of them old rows could be deleted. The
 * window begins at the first row behind the place, so that it has one however many positions were drawn for nothing.
 */
export const PAGE = `
  with bounds as materialized (
    select position as first from mirror_data.changes where position > $1::bigint order by position limit 1),
  asked as materialized (select $2::text::text[] as types)
  (select 'from' as part, position, at as "atMs", null as type, null as id, null::bigint as version
    from mirror_data.changes where position = $1::bigint)
  union all
  (select 'oldest', position, at, null, null, null from mirror_data.changes order by position limit 1)
  union all
  (select 'end', position, at, null, null, (select max(position) from mirror_data.changes)
    from mirror_data.changes where position > $1::bigint and position < (select first from bounds) + ${WINDOW}
    order by position desc limit 1)
  union all
  (select 'row', position, at, type, id, version
    from mirror_data.changes
    where position > $1::bigint and position < (select first from bounds) + ${WINDOW}
      and type = any((select types from asked)::text[])
    order by position limit $3::bigint)`;

export function createFeedPages({ sql, availability, nowMs, retentionMs }: FeedPagesDeps): FeedPages {
  const shares = createShares(AT_ONCE);
  const read = <T>(asker: Asker, work: () => Promise<T>) => availability.guard(() => shares.run(asker, work));
  const beforeTheFirst = () => ({ position: 0, atMs: nowMs() });

  async function after(place: FeedPlace | null, { kinds, limit }: PageRequest, asker = OURSELVES) {
    const types = [...kinds].flatMap((kind) => [`${kind}.upserted`, `${kind}.deleted`]);
    const values = [String(place?.position ?? 0), textArray(types), String(limit + 1)];
    const found = await read(asker, () => sql.unsafe<Raw[]>(PAGE, values, { prepare: true }).execute());
    const part = (name: Raw["part"]) => found.find((one) => one.part === name);
    if (place && !isStillThere(place, part("from"), part("oldest")))
      throw expired(part("oldest") ?? beforeTheFirst());
    const rows = found.filter((one) => one.part === "row").map(rowOf);
    const windowEnd = part("end");
    const last = rows.length > limit ? rows[limit - 1] : windowEnd;
    if (!last || !windowEnd)
      return { rows: [], end: place?.position ? place : beforeTheFirst(), hasMore: false };
    return {
      rows: rows.slice(0, limit),
      end: { position: last.position, atMs: last.atMs },
      hasMore: rows.length > limit || windowEnd.version > windowEnd.position,
    };
  }

  /**
   * Rows are deleted from the oldest on, so those behind a row are complete while the row itself is there. Behind no row,
   * the feed was empty at the time: nothing is missing while it is empty or nothing from then on can have been deleted.
   */
  function isStillThere(
    place: FeedPlace,
    own: FeedPlace | undefined,
    oldest: FeedPlace | undefined,
  ): boolean {
    if (place.position > 0) return own?.atMs === place.atMs;
    return !oldest || (place.atMs > nowMs() - retentionMs && oldest.atMs > place.atMs - COMMIT_MS);
  }

  return {
    // One read for all who ask at once: hundreds of streams would make each other wait, and the tail behind them.
    newest: shareNextRun(() => read(OURSELVES, () => newestPlace(sql))),
    recent: shareNextRun(() => read(OURSELVES, () => recentPlace(sql))),
    after,
  };
}

const rowOf = ({ position, atMs, type, id, version }: Raw): FeedRow => ({
  ...{ position, atMs, type, id, updatedAtMs: version },
});

const expired = (oldest: FeedPlace) =>
  new AppError("expired", "The cursor has expired.", {
    clerkCode: "changes_expired",
    longMessage:
      "What happened behind this cursor isn't kept any more, or the mirror was filled anew since. Copy anew, and follow from the cursor of the copy.",
    meta: {
      oldest_cursor: cursorOf(oldest),
      copy_anew:
        "POST /mirror/users/query with Accept: application/x-ndjson gives every user; follow from the cursor in its header X-Mirror-Changes-Cursor.",
    },
  });
