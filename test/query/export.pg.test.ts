// Covers src/query/export.ts, src/lib/places.ts

import fc from "fast-check";
import { expect, vi } from "vitest";
import { unwatched } from "../../src/db/connection/availability.js";
import { isDatabaseTrouble } from "../../src/db/connection/trouble.js";
import type { Asker } from "../../src/lib/shares.js";
import type { Condition } from "../../src/query/condition.js";
import { createQueryEngine } from "../../src/query/engine.js";
import { createExport, type ExportRequest } from "../../src/query/export.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import { gone, userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "../support/clerk-user.js";
import { type TestDatabase, test } from "../support/database.js";
import { holdLocks } from "../support/hold-locks.js";

const EVERYBODY: Condition = { kind: "and", all: [] };
const PRO: Condition = {
  kind: "metadata",
  object: "public",
  path: ["plan"],
  test: { operator: "in", values: ["pro"] },
};
const ALL = { privateMetadata: true };
const ME: Asker = { key: "me" };

const idOf = (n: number) => `user_${String(n).padStart(6, "0")}`;

function exporting({ database: { readers } }: TestDatabase) {
  const sent = vi.spyOn(readers.exports, "unsafe");
  const exportUsers = createExport({
    pool: readers.exports,
    engine: createQueryEngine(readers, { guard: unwatched.guard, nowMs: Date.now }),
    nowMs: Date.now,
  });
  const chunks = (request: Partial<ExportRequest> = {}, asker = ME, view = ALL) =>
    exportUsers({ filter: EVERYBODY, fields: null, format: "ndjson", nowMs: 0, ...request }, view, asker);
  return { chunks, sent };
}

async function whole(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString();
}

type Line = { id: string; public_metadata: { plan?: string } } & Record<string, unknown>;
const linesOf = (text: string): Line[] =>
  text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));

const planOf = (n: number) => (n % 3 === 0 ? "pro" : "free");
const userWith = (n: number, updatedAt: number, plan = planOf(n)) =>
  clerkUser({ id: idOf(n), updated_at: updatedAt, public_metadata: { plan } });

/** Where this process stands still for longer than a transaction may be idle, Postgres ends it, and it is sent again. */
const write = async (db: TestDatabase, items: Parameters<typeof applyItems>[1]): Promise<unknown> =>
  applyItems(db.sql, items, { lagMs: 0 }).catch((error) =>
    isDatabaseTrouble(error) ? write(db, items) : Promise.reject(error),
  );

const store = (db: TestDatabase, users: readonly Record<string, unknown>[]) =>
  write(db, [{ users: users.map((user) => userSnapshot(user, "page", 1_800_000_000_000)) }]);

const range = (length: number) => Array.from({ length }, (_, n) => n);

test("everybody comes once, in the order of ids, however many fit into a chunk", async ({ db }) => {
  const { chunks } = exporting(db);
  const sizes = [0, 1, 199, 200, 201, 400, 450];
  let stored = 0;
  for (const size of sizes) {
    if (size > stored)
      await store(
        db,
        range(size)
          .slice(stored)
          .map((n) => userWith(n, 1000)),
      );
    stored = size;
    expect(linesOf(await whole(chunks()))).toEqual(range(size).map((n) => userWith(n, 1000)));
    const pros = linesOf(await whole(chunks({ filter: PRO })));
    expect(pros.map(({ id }) => id)).toEqual(
      range(size)
        .filter((n) => n % 3 === 0)
        .map(idOf),
    );
  }
});

test("one statement is sent for a chunk, and none before it is asked for", async ({ db }) => {
  await store(
    db,
    range(450).map((n) => userWith(n, 1000)),
  );
  for (const filter of [EVERYBODY, PRO]) {
    const { chunks, sent } = exporting(db);
    sent.mockClear();
    const iterator = chunks({ filter });
    for (let n = 1; ; n++) {
      expect(sent).toHaveBeenCalledTimes(n - 1);
      const { done } = await iterator.next();
      if (done) break;
      expect(sent).toHaveBeenCalledTimes(n);
    }
    sent.mockRestore();
  }
});

test("who exists throughout appears exactly once while thousands of updates and deletions run, and who is shown is kept", async ({
  db,
}) => {
  const [stable, passing] = [1200, 1800];
  // Those who stay and those who come and go stand between each other.
  const isStable = (n: number) => n % 5 < 2;
  await store(
    db,
    range(stable + passing).map((n) => userWith(n, 1000)),
  );
  let clock = 1_000_000;
  let changes = 0;
  const random = fc.sample(fc.infiniteStream(fc.nat({ max: stable + passing - 1 })), {
    numRuns: 1,
    seed: 18,
  })[0];
  const next = () => random?.next().value ?? 0;
  async function churn(): Promise<void> {
    clock++;
    const touched = [...new Set(range(120).map(next))];
    changes += touched.length;
    const deleted = touched.filter((n) => !isStable(n) && n % 2 === 0);
    const updated = touched.filter((n) => !deleted.includes(n));
    // The stable ones keep their plan; the others lose theirs.
    const users = updated.map((n) =>
      userSnapshot(userWith(n, clock, isStable(n) ? planOf(n) : "gone"), "webhook", clock),
    );
    const items = [{ users: [...users, ...deleted.map((n) => gone(idOf(n), "webhook", clock))] }];
    await write(db, items);
  }
  const { chunks } = exporting(db);
  for (const filter of [EVERYBODY, PRO]) {
    let isDone = false;
    const writing = (async () => {
      while (!isDone) await churn();
    })();
    const shown: Line[] = [];
    for await (const chunk of chunks({ filter })) {
      shown.push(...linesOf(Buffer.from(chunk).toString()));
      await churn();
    }
    isDone = true;
    await writing;
    const ids = shown.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort());
    const expected = range(stable + passing).filter(
      (n) => isStable(n) && (filter === EVERYBODY || planOf(n) === "pro"),
    );
    expect(ids.filter((id) => isStable(Number(id.slice(5))))).toEqual(expected.map(idOf));
    if (filter === PRO) expect(shown.every((user) => user.public_metadata.plan === "pro")).toBe(true);
  }
  expect(changes).toBeGreaterThan(2000);
}, 120_000);

test("a spreadsheet has its header also when there is nobody, and private metadata stay with who may read them", async ({
  db,
}) => {
  const { chunks } = exporting(db);
  const fields = [
    { kind: "member", name: "id" },
    { kind: "field", name: "organization_id" },
    { kind: "metadata", object: "private", path: ["secret"], text: "private_metadata.secret" },
  ] as const;
  expect(await whole(chunks({ format: "csv", fields }))).toBe(
    "id,organization_id,private_metadata.secret\r\n",
  );
  await store(db, [clerkUser({ id: "user_1", private_metadata: { secret: 5 } })]);
  expect(await whole(chunks({ format: "csv", fields }))).toBe(
    "id,organization_id,private_metadata.secret\r\nuser_1,[],5\r\n",
  );
  const modest = { privateMetadata: false };
  expect(await whole(chunks({ format: "csv", fields }, ME, modest))).toContain("user_1,[],\r\n");
  expect(linesOf(await whole(chunks({}, ME, modest)))[0]?.private_metadata).toBe(null);
  expect(await whole(chunks({ format: "csv" }))).toMatch(/^id,external_id,.*\r\nuser_1,,,Ada,Lovelace,/);
});

test("a key has its share of the places for exports and no more, and leaves them when an export ends or is left", async ({
  db,
}) => {
  await store(
    db,
    range(250).map((n) => userWith(n, 1000)),
  );
  const { chunks } = exporting(db);
  const open = await Promise.all(
    range(8).map(async () => {
      const iterator = chunks();
      await iterator.next();
      return iterator;
    }),
  );
  await expect(chunks().next()).rejects.toMatchObject({ code: "overloaded", retryAfterSeconds: 10 });
  expect(linesOf(await whole(chunks({}, { key: "another" })))).toHaveLength(250);
  await open[0]?.return(undefined);
  expect(linesOf(await whole(chunks()))).toHaveLength(250);
  const other = range(8).map(() => chunks({}, { key: "another" }));
  await Promise.all(other.map((iterator) => iterator.next()));
  await chunks().next();
  await expect(chunks({}, { key: "a third" }).next()).rejects.toMatchObject({ code: "overloaded" });
});

test("the search for its users is cancelled when its client goes away", async ({ db }) => {
  await store(db, [userWith(3, 1000)]);
  const { chunks } = exporting(db);
  const letGo = await holdLocks(db.url, (tx) => tx`lock table mirror_data.user_metadata`);
  const leaving = new AbortController();
  const first = chunks({ filter: PRO }, { ...ME, signal: leaving.signal })
    .next()
    .catch((error) => error);
  const waiting = async () =>
    (
      await db.sql`select from pg_stat_activity where wait_event_type = 'Lock' and application_name like '%search'`
    ).length;
  await vi.waitUntil(async () => (await waiting()) === 1);
  leaving.abort();
  expect(await first).toMatchObject({ code: "bad_request" });
  expect(await waiting()).toBe(0);
  await letGo();
});
