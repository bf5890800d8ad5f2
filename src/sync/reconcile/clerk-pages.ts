import { AppError } from "../../lib/errors.js";
import type { Page } from "../../upstream/users.js";
import { type Bounds, type Checkpoint, START } from "../ledger/windows.js";
import type { ClerkReader } from "./clerk-reader.js";

/** One page of a list of Clerk's, and how far the list is read once the page is applied. */
export interface ClerkPage {
  items: unknown[];
  startedAtMs: number;
  checkpoint: Checkpoint;
}

/** Which users are listed or counted. */
export interface UserBounds extends Bounds {
  /** Only those who were active at this moment or later. */
  activeSinceMs?: number;
}

/** Clerk's largest page. */
export const PAGE_SIZE = 500;

/** A list whose offsets keep shifting while it is read is read again from its start, but not for ever. */
const MOST_RESTARTS = 10;

/**
 * All users of Clerk within these bounds from `start` on, oldest first. By cursor, whose cost is flat; where the upstream
 * knows none (the page behind a cursor shows what came before it), by offset. A user may come twice; none that lives is
 * left out.
 */
export async function* userPages(
  clerk: ClerkReader,
  bounds: UserBounds,
  start: Checkpoint,
): AsyncGenerator<ClerkPage> {
  if (start.offset > 0) yield* userPagesByOffset(clerk, bounds, start);
  else yield* userPagesByCursor(clerk, bounds, start);
}

async function* userPagesByCursor(
  clerk: ClerkReader,
  bounds: UserBounds,
  start: Checkpoint,
): AsyncGenerator<ClerkPage> {
  let { cursorId, cursorCreatedAtMs } = start;
  let afterMs = bounds.afterMs;
  let seen = 0;
  let refusals = 0;
  let refusedInARow = 0;
  for (;;) {
    const page = await pageBehind(cursorId);
    if (page === "cursor_refused") {
      // Refused twice in a row: this upstream takes no cursor. A page full of users created at one moment has no
      // other way on.
      if (++refusedInARow > 1 || ++refusals > MOST_RESTARTS) {
        yield* userPagesByOffset(clerk, bounds, START);
        return;
      }
      // The cursor's user was deleted meanwhile. Start again at that user's creation time; users of that time are
      // read twice.
      afterMs = (cursorCreatedAtMs ?? 0) - 1;
      cursorId = null;
      continue;
    }
    if (cursorId !== null && isBefore(page.items, cursorId, cursorCreatedAtMs)) {
      yield* userPagesByOffset(clerk, bounds, { ...start, cursorId: null, offset: 0 });
      return;
    }
    if (cursorId !== null) refusedInARow = 0;
    seen += page.items.length;
    const last = page.items.findLast(isNamed);
    const done = isLast(page, { seen, asked: PAGE_SIZE, longest: clerk.longestUserPage(page) });
    // There is no cursor in such a page: the next one would be the same.
    if (!last && !done) throw nobodyNamed();
    cursorId = idOf(last) ?? cursorId;
    cursorCreatedAtMs = createdAtOf(last) ?? cursorCreatedAtMs;
    yield { ...page, checkpoint: { cursorId, cursorCreatedAtMs, offset: 0, done } };
    if (done) return;
  }

  async function pageBehind(startingAfter: string | null): Promise<Page | "cursor_refused"> {
    try {
      return await clerk.listUsers({
        ...{ limit: PAGE_SIZE, orderBy: "+created_at" },
        ...boundsQuery({ ...bounds, afterMs }),
        ...(startingAfter !== null && { startingAfter }),
      });
    } catch (error) {
      const refused = error instanceof AppError && error.code === "upstream_refused";
      if (refused && startingAfter !== null) return "cursor_refused";
      throw error;
    }
  }
}

const nobodyNamed = () =>
  new AppError("upstream_unavailable", "Clerk's list shows a full page in which no user has an id.");

async function* userPagesByOffset(
  clerk: ClerkReader,
  bounds: UserBounds,
  start: Checkpoint,
): AsyncGenerator<ClerkPage> {
  const list = (query: { limit: number; offset: number }) =>
    clerk.listUsers({ ...query, orderBy: "+created_at", ...boundsQuery(bounds) });
  yield* pagesByOffset(list, start, { count: () => clerk.countUsers(boundsQuery(bounds)) });
}

/** The bounds as Clerk's parameters. */
export const boundsQuery = ({ afterMs, beforeMs, activeSinceMs }: UserBounds) => ({
  ...(afterMs !== null && { createdAtAfter: afterMs }),
  ...(beforeMs !== null && { createdAtBefore: beforeMs }),
  // A millisecond earlier, because Clerk's bound is strict. `last_active_at_since` isn't, but is deprecated.
  ...(activeSinceMs !== undefined && { lastActiveAtAfter: activeSinceMs - 1 }),
});

/** How many rows a page shares with the one before it: so many may vanish in between without a gap. */
const OVERLAP = 10;

export interface OffsetOptions {
  firstPageSize?: number;
  /** How many there are. Asked if the pages don't say, and a page shows again what came before it. */
  count?: () => Promise<number>;
}

/**
 * All pages of a list that has only offsets. Each overlaps the one before: the last row seen must show up again, else
 * rows have moved past us and the list is read again from its start.
 */
export async function* pagesByOffset(
  list: (query: { limit: number; offset: number }) => Promise<Page>,
  start: Checkpoint,
  { firstPageSize = PAGE_SIZE, count }: OffsetOptions = {},
): AsyncGenerator<ClerkPage> {
  let { cursorId, offset } = start;
  let shown = offset;
  let longest = 0;
  let stalled = 0;
  for (let restarts = 0; ; ) {
    // If pages are shorter than that, each must still bring something new.
    const shared = longest === 0 ? OVERLAP : Math.min(OVERLAP, longest >> 1);
    const from = Math.max(0, offset - shared);
    const limit = offset === 0 ? firstPageSize : PAGE_SIZE;
    const page = await list({ limit, offset: from });
    const overlap = cursorId === null ? 0 : page.items.findIndex((item) => idOf(item) === cursorId) + 1;
    if (cursorId !== null && overlap === 0) {
      if (++restarts > MOST_RESTARTS) {
        throw new AppError(
          "upstream_unavailable",
          "Clerk's list kept changing under the walk. It will be tried again.",
        );
      }
      [cursorId, offset, shown] = [null, 0, 0];
      continue;
    }
    const items = page.items.slice(overlap);
    offset = from + page.items.length;
    shown += items.length;
    cursorId = idOf(items.findLast(isNamed)) ?? cursorId;
    longest = Math.max(longest, page.items.length);
    // A full page of known rows: many were created meanwhile, or the upstream repeats itself.
    const isFull = page.items.length >= limit || page.items.length < (page.totalCount ?? 0);
    const repeats = items.length === 0 && page.items.length >= Math.max(longest, shared + 1);
    const hasMore = repeats && (isFull || (page.totalCount === null && ((await count?.()) ?? 0) > shown));
    if (!hasMore) stalled = 0;
    else if (++stalled > MOST_RESTARTS) {
      throw new AppError(
        "upstream_unavailable",
        "Clerk's list shows the same page again and again: CLERK_API_URL does not seem to heed offset.",
      );
    }
    const done = !hasMore && (items.length === 0 || isLast(page, { seen: offset, asked: limit, longest }));
    yield {
      items,
      startedAtMs: page.startedAtMs,
      checkpoint: { cursorId, cursorCreatedAtMs: null, offset, done },
    };
    if (done) return;
  }
}

/** An upstream that ignores the cursor answers with users from before it. */
function isBefore(items: readonly unknown[], cursorId: string, cursorCreatedAtMs: number | null): boolean {
  const first = createdAtOf(items[0]);
  if (first !== null && cursorCreatedAtMs !== null && first < cursorCreatedAtMs) return true;
  return items.some((item) => idOf(item) === cursorId);
}

/**
 * Whether nothing comes behind this page. Some upstreams give less than they are asked for, and some count wrong. So
 * a page that is as long as this upstream's longest is the last only if a count says so too.
 */
function isLast(
  page: Page,
  { seen, asked, longest }: { seen: number; asked: number; longest: number },
): boolean {
  const { items, totalCount } = page;
  if (items.length === 0) return true;
  if (items.length >= asked) return false;
  return totalCount === null ? items.length < longest : seen >= totalCount;
}

/** Whether a checkpoint can name it: some of what is listed can't be stored. */
const isNamed = (item: unknown) => /^[!-~]{1,200}$/.test(idOf(item) ?? "");

export function idOf(item: unknown): string | null {
  const id = fieldOf(item, "id");
  return typeof id === "string" ? id : null;
}

export const createdAtOf = (item: unknown) => timeOf(item, "created_at");
export const updatedAtOf = (item: unknown) => timeOf(item, "updated_at");
export const lastActiveAtOf = (item: unknown) => timeOf(item, "last_active_at");

function timeOf(item: unknown, name: string): number | null {
  const time = fieldOf(item, name);
  return typeof time === "number" ? time : null;
}

function fieldOf(item: unknown, name: string): unknown {
  return item !== null && typeof item === "object" ? (item as Record<string, unknown>)[name] : undefined;
}
