import { AppError } from "../lib/errors.js";
import type { Call } from "../upstream/client.js";
import type { ClerkApi, Page } from "../upstream/users.js";
import type { Bounds, Checkpoint } from "./windows.js";

/** One page of a walk, and where the walk stands once the page is applied. */
export interface WalkedPage {
  items: unknown[];
  startedAtMs: number;
  checkpoint: Checkpoint;
}

/** Clerk's largest page. */
export const PAGE_SIZE = 500;

/** An upstream whose offset pages keep shifting under us is walked again from the start, but not for ever. */
const MOST_RESTARTS = 10;

/**
 * All users of Clerk within these bounds from `start` on, oldest first. By cursor, whose cost is flat; where the upstream
 * knows none (the page behind a cursor shows what came before it), by offset. A user may come twice; none that lives is
 * left out.
 */
export async function* walkUsers(
  api: ClerkApi,
  bounds: Bounds,
  start: Checkpoint,
  call: Call,
): AsyncGenerator<WalkedPage> {
  if (start.offset > 0) yield* walkUsersByOffset(api, bounds, start, call);
  else yield* walkUsersByCursor(api, bounds, start, call);
}

async function* walkUsersByCursor(
  api: ClerkApi,
  bounds: Bounds,
  start: Checkpoint,
  call: Call,
): AsyncGenerator<WalkedPage> {
  let { cursorId, cursorCreatedAtMs } = start;
  let afterMs = bounds.afterMs;
  let seen = 0;
  for (;;) {
    const page = await pageBehind(cursorId);
    if (page === "cursor_refused") {
      // The user it names was deleted meanwhile: go on from the time it was created at, whoever shares it once more.
      afterMs = (cursorCreatedAtMs ?? 0) - 1;
      cursorId = null;
      continue;
    }
    if (cursorId !== null && isBefore(page.items, cursorId, cursorCreatedAtMs)) {
      yield* walkUsersByOffset(api, bounds, { ...start, cursorId: null, offset: 0 }, call);
      return;
    }
    seen += page.items.length;
    const last = page.items.at(-1);
    cursorId = idOf(last) ?? cursorId;
    cursorCreatedAtMs = createdAtOf(last) ?? cursorCreatedAtMs;
    const done = isLast(page, seen, PAGE_SIZE);
    yield { ...page, checkpoint: { cursorId, cursorCreatedAtMs, offset: 0, done } };
    if (done) return;
  }

  async function pageBehind(startingAfter: string | null): Promise<Page | "cursor_refused"> {
    try {
      return await api.listUsers(
        {
          ...{ limit: PAGE_SIZE, orderBy: "+created_at" },
          ...boundsQuery({ ...bounds, afterMs }),
          ...(startingAfter !== null && { startingAfter }),
        },
        call,
      );
    } catch (error) {
      const refused = error instanceof AppError && error.code === "upstream_refused";
      if (refused && startingAfter !== null) return "cursor_refused";
      throw error;
    }
  }
}

async function* walkUsersByOffset(
  api: ClerkApi,
  bounds: Bounds,
  start: Checkpoint,
  call: Call,
): AsyncGenerator<WalkedPage> {
  const list = (query: { limit: number; offset: number }) =>
    api.listUsers({ ...query, orderBy: "+created_at", ...boundsQuery(bounds) }, call);
  yield* walkByOffset(list, start);
}

/** As Clerk is asked for users within bounds. */
export const boundsQuery = ({ afterMs, beforeMs }: Bounds) => ({
  ...(afterMs !== null && { createdAtAfter: afterMs }),
  ...(beforeMs !== null && { createdAtBefore: beforeMs }),
});

/** Rows that a page shares with the one before it: so many may vanish in between without a gap. */
const OVERLAP = 10;

/**
 * All pages of a list that has only offsets. Each overlaps the one before: the last row seen must show up again, else
 * rows have moved past us and the list is walked from its start.
 */
export async function* walkByOffset(
  list: (query: { limit: number; offset: number }) => Promise<Page>,
  start: Checkpoint,
  firstPageSize = PAGE_SIZE,
): AsyncGenerator<WalkedPage> {
  let { cursorId, offset } = start;
  for (let restarts = 0; ; ) {
    const from = Math.max(0, offset - OVERLAP);
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
      [cursorId, offset] = [null, 0];
      continue;
    }
    const items = page.items.slice(overlap);
    offset = from + page.items.length;
    cursorId = idOf(items.at(-1)) ?? cursorId;
    const done = items.length === 0 || isLast(page, offset, limit);
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

/** A short page is the last one, unless the upstream says that there is more: some give less than they are asked for. */
function isLast(page: Page, seen: number, asked: number): boolean {
  if (page.items.length === 0) return true;
  return page.totalCount === null ? page.items.length < asked : seen >= page.totalCount;
}

export function idOf(item: unknown): string | null {
  const id = fieldOf(item, "id");
  return typeof id === "string" ? id : null;
}

export const createdAtOf = (item: unknown) => timeOf(item, "created_at");
export const updatedAtOf = (item: unknown) => timeOf(item, "updated_at");

function timeOf(item: unknown, name: string): number | null {
  const time = fieldOf(item, name);
  return typeof time === "number" ? time : null;
}

function fieldOf(item: unknown, name: string): unknown {
  return item !== null && typeof item === "object" ? (item as Record<string, unknown>)[name] : undefined;
}
