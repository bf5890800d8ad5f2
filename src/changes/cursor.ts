import type { Sql } from "../db/connection/sql.js";
import { AppError } from "../lib/errors.js";

/**
 * A place in the feed: behind the row with this position and time, or, with position 0, before the first row of a feed that
 * was empty at that time. The time tells feeds apart: a database that was restored, or made anew, gives a position out again.
 */
export interface FeedPlace {
  position: number;
  atMs: number;
}

/** What a reader of the feed is given to go on from. Its content is nobody's business but this file's. */
export function cursorOf({ position, atMs }: FeedPlace): string {
  return Buffer.from(`1.${position}.${atMs}`).toString("base64url");
}

/** Throws `invalid_request`, naming the parameter, for a text that isn't a cursor. */
export function parseCursor(text: string, name: string): FeedPlace {
  const [, position, atMs] = CONTENT.exec(Buffer.from(text, "base64url").toString("latin1")) ?? [];
  const place = { position: Number(position), atMs: Number(atMs) };
  // Base64 has several spellings of one content, and only one is ours.
  if (Number.isSafeInteger(place.position) && cursorOf(place) === text) return place;
  throw new AppError("invalid_request", "is invalid", {
    longMessage: `${name} must be a cursor that the mirror has given out.`,
    meta: { param_name: name },
  });
}

const CONTENT = /^1\.(\d{1,16})\.(\d{1,16})$/;

/**
 * The place behind everything that is committed. Whoever reads it before a copy, and follows from there, misses nothing:
 * positions are in the order of commits (`feed.ts`).
 */
export async function newestPlace(sql: Sql): Promise<FeedPlace> {
  const [row] = await sql<FeedPlace[]>`
    select position, at as "atMs" from (
      (select position, at from mirror_data.changes order by position desc limit 1)
      union all select 0, (extract(epoch from clock_timestamp()) * 1000)::bigint) as places
    order by position desc limit 1`;
  return row as FeedPlace;
}

/** How many changes are behind the place that readers begin at who ask for the recent ones. */
export const RECENT = 100;

/** The place behind which the newest changes are, as many as count as recent. Null: there are no more than these. */
export async function recentPlace(sql: Sql): Promise<FeedPlace | null> {
  const [row] = await sql<FeedPlace[]>`
    select position, at as "atMs" from mirror_data.changes order by position desc offset ${RECENT} limit 1`;
  return row ?? null;
}

/** The newest place as a cursor: the `changes_cursor` of queries and exports. */
export const newestCursor = async (sql: Sql): Promise<string> => cursorOf(await newestPlace(sql));
