// Covers src/changes/{pages,list}.ts

import { describe, expect, vi } from "vitest";
import { cursorOf, type FeedPlace, newestPlace, RECENT } from "../../src/changes/cursor.js";
import { listChanges } from "../../src/changes/list.js";
import { createFeedPages, KINDS, PAGE, WINDOW } from "../../src/changes/pages.js";
import { unwatched } from "../../src/db/connection/availability.js";
import type { Sql } from "../../src/db/connection/sql.js";
import { OURSELVES } from "../../src/lib/shares.js";
import { test } from "../support/database.js";

const HOUR_MS = 3_600_000;
const pagesOf = (sql: Sql, nowMs = () => Date.now()) =>
  createFeedPages({ sql, availability: unwatched, nowMs, retentionMs: HOUR_MS });
const ALL = { kinds: new Set(KINDS), limit: 500 };
const ONLY_USERS = { ...ALL, kinds: new Set(["user"] as const) };

/** Rows as the feed has them, without what they stand for. */
const fill = (sql: Sql, type: string, from: number, to: number, at = Date.now()) => sql`
  insert into mirror_data.changes (position, type, id, version, at) overriding system value
  select n, ${type}, 'id_' || n, n, ${at} from generate_series(${from}::int, ${to}::int) as n`;

const placeOf = async (sql: Sql, position: number) =>
  (
    await sql<
      FeedPlace[]
    >`select position, at as "atMs" from mirror_data.changes where position = ${position}`
  )[0];

describe("a page of the feed", () => {
  test("has what is behind a place in order, says where to go on, and whether there is more", async ({
    db,
  }) => {
    await fill(db.sql, "user.upserted", 1, 5);
    const pages = pagesOf(db.sql);
    const first = await pages.after(null, { ...ALL, limit: 3 });
    expect(first.rows.map(({ position }) => position)).toEqual([1, 2, 3]);
    expect(first.rows[0]).toMatchObject({ type: "user.upserted", id: "id_1", updatedAtMs: 1 });
    expect(first.hasMore).toBe(true);
    const second = await pages.after(first.end, { ...ALL, limit: 3 });
    expect(second.rows.map(({ position }) => position)).toEqual([4, 5]);
    expect(second).toMatchObject({ hasMore: false, end: await newestPlace(db.sql) });
    expect(await pages.after(second.end, ALL)).toEqual({ rows: [], end: second.end, hasMore: false });
    // Exactly as many as there are.
    expect(await pages.after(first.end, { ...ALL, limit: 2 })).toMatchObject({ hasMore: false });
  });

  test("isn't waited for by hundreds who ask where the feed ends: they are told together", async ({ db }) => {
    await fill(db.sql, "user.upserted", 1, 5);
    const sent = vi.fn();
    const guard = <T>(work: () => Promise<T>) => {
      sent();
      return work();
    };
    const pages = createFeedPages({
      ...{ sql: db.sql, availability: { guard }, nowMs: Date.now, retentionMs: HOUR_MS },
    });
    const all = await Promise.all(Array.from({ length: 500 }, () => pages.newest()));
    expect(new Set(all.map(({ position }) => position))).toEqual(new Set([5]));
    expect(sent).toHaveBeenCalledTimes(2);
    // Whoever asks behind a commit is told of it.
    const before = pages.newest();
    await fill(db.sql, "user.upserted", 6, 6);
    expect((await pages.newest()).position).toBe(6);
    await before;
  });

  test("of what is recent begins before the newest hundred rows, or at the oldest", async ({ db }) => {
    const pages = pagesOf(db.sql);
    expect(await pages.recent()).toBeNull();
    await fill(db.sql, "user.upserted", 1, RECENT);
    expect(await pages.recent()).toBeNull();
    await fill(db.sql, "user.upserted", RECENT + 5, RECENT + 7);
    const { rows } = await pages.after(await pages.recent(), ALL);
    expect([rows.length, rows.at(0)?.position, rows.at(-1)?.position]).toEqual([RECENT, 4, RECENT + 7]);
  });

  test("of an empty feed ends before its first row", async ({ db }) => {
    const pages = pagesOf(db.sql);
    const { end, ...page } = await pages.after(null, ALL);
    expect(page).toEqual({ rows: [], hasMore: false });
    expect(end.position).toBe(0);
    expect(await pages.after(end, ALL)).toMatchObject(page);
    await fill(db.sql, "user.upserted", 17, 17);
    expect((await pages.after(end, ALL)).rows.map(({ id }) => id)).toEqual(["id_17"]);
  });

  test("of one kind has nothing of the others, and ends behind those it passed over", async ({ db }) => {
    await fill(db.sql, "user.deleted", 1, 1);
    await fill(db.sql, "membership.upserted", 2, 9);
    const page = await pagesOf(db.sql).after(null, ONLY_USERS);
    expect(page.rows.map(({ type }) => type)).toEqual(["user.deleted"]);
    expect(page).toMatchObject({ hasMore: false, end: await placeOf(db.sql, 9) });
  });

  test("of what is rare ends with its window, which begins behind the positions that were drawn for nothing", async ({
    db,
  }) => {
    const far = 5 * WINDOW;
    await fill(db.sql, "user.upserted", 1, 1);
    await fill(db.sql, "membership.upserted", far, far + 3 * WINDOW);
    await fill(db.sql, "user.upserted", far + 3 * WINDOW + 1, far + 3 * WINDOW + 1);
    const pages = pagesOf(db.sql);
    const first = await pages.after(null, { ...ONLY_USERS, limit: 1 });
    expect(first).toMatchObject({ hasMore: true, end: { position: 1 } });
    const second = await pages.after(first.end, ONLY_USERS);
    expect(second).toMatchObject({ rows: [], hasMore: true, end: { position: far + WINDOW - 1 } });
    const rest = await listChanges(pages, first.end, ONLY_USERS, OURSELVES);
    expect(rest.rows.map(({ position }) => position)).toEqual([far + 3 * WINDOW + 1]);
    expect(rest.hasMore).toBe(false);
  });

  test("of what isn't there at all is empty after some windows, and there is more", async ({ db }) => {
    await fill(db.sql, "membership.upserted", 1, 6 * WINDOW);
    const page = await listChanges(pagesOf(db.sql), null, ONLY_USERS, OURSELVES);
    expect(page).toMatchObject({ rows: [], hasMore: true, end: { position: 5 * WINDOW } });
  });

  test("reads its window and nothing behind it, whatever plan is kept", async ({ db }) => {
    const rows = 12 * WINDOW;
    await fill(db.sql, "membership.upserted", 1, rows);
    await db.sql`analyze mirror_data.changes`;
    for (const mode of ["force_custom_plan", "force_generic_plan"]) {
      const read = await db.sql.begin(async (tx) => {
        await tx.unsafe(`set local plan_cache_mode = ${mode}`);
        await tx.unsafe(`prepare page (text, text, text) as ${PAGE}`);
        const explain = "explain (analyze, format json) execute page";
        const [plan] = await tx.unsafe(`${explain} ('7', '{user.upserted,user.deleted}', '501')`);
        await tx`deallocate page`;
        return scans(plan?.["QUERY PLAN"][0].Plan);
      });
      expect(read.map(({ "Node Type": type }) => type)).not.toContain("Seq Scan");
      const seen = read.reduce((all, scan) => all + rowsOf(scan), 0);
      expect(seen).toBeLessThanOrEqual(WINDOW + 10);
    }
  });
});

type Plan = Record<string, unknown> & { Plans?: Plan[] };

const scans = (plan: Plan): Plan[] => [
  ...("Relation Name" in plan ? [plan] : []),
  ...(plan.Plans ?? []).flatMap(scans),
];

const rowsOf = (scan: Plan) =>
  (Number(scan["Actual Rows"]) + Number(scan["Rows Removed by Filter"] ?? 0)) * Number(scan["Actual Loops"]);

describe("a place is refused", () => {
  const expired = (oldest: FeedPlace | undefined) =>
    expect.objectContaining({
      code: "expired",
      clerkCode: "changes_expired",
      meta: expect.objectContaining({ oldest_cursor: oldest && cursorOf(oldest) }),
    });

  test("when its row is gone, with the oldest one there is; behind any row that is there, nothing is missing", async ({
    db,
  }) => {
    await fill(db.sql, "user.upserted", 1, 5);
    const pages = pagesOf(db.sql);
    const places = await Promise.all([1, 2, 3, 4, 5].map((position) => placeOf(db.sql, position)));
    await db.sql`delete from mirror_data.changes where position < 3`;
    for (const place of places.slice(0, 2)) {
      await expect(pages.after(place as FeedPlace, ALL)).rejects.toEqual(expired(places[2]));
    }
    for (const place of places.slice(2)) {
      expect((await pages.after(place as FeedPlace, ALL)).rows).toHaveLength(5 - (place?.position ?? 0));
    }
    expect((await pages.after(null, ALL)).rows).toHaveLength(3);
  });

  test("when another row has its position, or none yet: the database was restored", async ({ db }) => {
    await fill(db.sql, "user.upserted", 1, 5);
    const pages = pagesOf(db.sql);
    const newest = await newestPlace(db.sql);
    const oldest = expired(await placeOf(db.sql, 1));
    await db.sql`delete from mirror_data.changes where position > 3`;
    await expect(pages.after(newest, ALL)).rejects.toEqual(oldest);
    await fill(db.sql, "user.upserted", 4, 9, newest.atMs + 1);
    await expect(pages.after(newest, ALL)).rejects.toEqual(oldest);
  });

  test("when the mirror was emptied", async ({ db }) => {
    await fill(db.sql, "user.upserted", 1, 5);
    const pages = pagesOf(db.sql);
    const newest = await newestPlace(db.sql);
    await db.sql`truncate mirror_data.changes`;
    await expect(pages.after(newest, ALL)).rejects.toThrow(expect.objectContaining({ code: "expired" }));
  });

  test("in a feed that was empty, once something may have been deleted", async ({ db }) => {
    let nowMs = Date.now();
    const pages = pagesOf(db.sql, () => nowMs);
    const { end } = await pages.after(null, ALL);
    nowMs += 2 * HOUR_MS;
    // It is still empty, so nothing was missed.
    expect((await pages.after(end, ALL)).rows).toEqual([]);
    await fill(db.sql, "user.upserted", 1, 2, end.atMs);
    await expect(pages.after(end, ALL)).rejects.toThrow("expired");
    nowMs -= 2 * HOUR_MS;
    expect((await pages.after(end, ALL)).rows).toHaveLength(2);
    await db.sql`update mirror_data.changes set at = at - ${2 * HOUR_MS}::bigint`;
    await expect(pages.after(end, ALL)).rejects.toThrow("expired");
  });
});
