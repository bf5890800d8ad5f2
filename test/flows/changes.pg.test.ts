// Covers src/changes/, src/http/routes/changes.ts, src/query/{current-objects,present-membership}.ts

import { setTimeout } from "node:timers/promises";
import { afterEach, describe, expect } from "vitest";
import { type Change, publish } from "../../src/changes/feed.js";
import { noDayChanges } from "../../src/changes/history.js";
import { KINDS } from "../../src/changes/pages.js";
import { emptyMirror } from "../../src/db/setup/rebuild.js";
import { startSandbox } from "../../src/sandbox/server.js";
import { type TestDatabase, test } from "../support/database.js";
import { eventsOf } from "../support/event-stream.js";
import { killHard, spawnMirror, startMirror } from "../support/mirror.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(db: TestDatabase, options: Parameters<typeof startSandbox>[0] = { users: 5 }) {
  const sandbox = await startSandbox(options);
  const env = { RECONCILE_INTERVAL: "0" };
  const server = await startMirror({ sandbox, databaseUrl: db.url, env });
  cleanups.push(sandbox.close, server.stop);
  return { sandbox, server, env };
}

type Json = Record<string, unknown>;
interface List {
  data: (Json & { type: string; id: string; cursor: string })[];
  next_cursor: string;
  has_more: boolean;
}

const KEY = { Authorization: "Bearer um_test" };
const ask = (url: string, query: string, init: RequestInit = {}) =>
  fetch(`${url}/mirror/changes${query}`, { ...init, headers: { ...KEY, ...init.headers } });
async function list(url: string, query: string, signal?: AbortSignal): Promise<List> {
  const response = await ask(url, query, signal ? { signal } : {});
  expect(response.status).toBe(200);
  return (await response.json()) as List;
}
const open = (url: string, query: string, headers: Record<string, string> = {}, signal?: AbortSignal) =>
  ask(url, query, { headers: { accept: "text/event-stream", ...headers }, ...(signal && { signal }) });

describe("the feed over HTTP", () => {
  test("tells what a webhook changed to one who waits and to one who streams, with the object of now", async ({
    db,
  }) => {
    const { sandbox, server } = await start(db, { users: 5, organizations: 2 });
    const { next_cursor } = await list(server.url, "?after=now");
    const waiting = list(server.url, `?after=${next_cursor}&wait=30&include=object`);
    const events = eventsOf(await open(server.url, `?after=${next_cursor}&include=object`));
    const next = events.next();
    const [user] = sandbox.clerk.users();
    sandbox.clerk.updateUser(String(user?.id), { first_name: "Changed" });

    const { data } = await waiting;
    expect(data).toHaveLength(1);
    expect(data[0]).toMatchObject({ type: "user.upserted", id: user?.id, object: { first_name: "Changed" } });
    const own = await fetch(`${server.url}/v1/users/${user?.id}`, { headers: KEY });
    expect(data[0]?.object).toEqual(await own.json());
    const { value } = await next;
    expect(value).toEqual({ event: "change", id: data[0]?.cursor, data: data[0] });
    await events.return(undefined);
  });

  test("has everything from the start in Clerk's shape, and takes memberships along with what is deleted", async ({
    db,
  }) => {
    const { sandbox, server } = await start(db, { users: 12, organizations: 3 });
    const seen = await list(server.url, "?limit=500&include=object");
    expect(seen.has_more).toBe(false);
    const last = new Map(seen.data.map(({ id, object }) => [id, object as Json]));
    const memberships = sandbox.clerk.memberships();
    expect(memberships.length).toBeGreaterThan(0);
    for (const { id } of sandbox.clerk.users()) {
      const [own, listed] = await Promise.all(
        [`/v1/users/${id}`, `/v1/users/${id}/organization_memberships?limit=500`].map(async (path) =>
          (await fetch(`${server.url}${path}`, { headers: KEY })).json(),
        ),
      );
      expect(last.get(String(id))).toEqual(own);
      for (const membership of (listed as { data: Json[] }).data) {
        expect(last.get(String(membership.id))).toEqual(membership);
        const organization = membership.organization as Json;
        expect(last.get(String(organization.id))).toEqual(organization);
      }
    }
    const member = memberships[0]?.public_user_data as Json;
    sandbox.clerk.deleteUser(String(member.user_id));
    const after = await list(server.url, `?after=${seen.next_cursor}&wait=30&include=object&types=user`);
    expect(after.data).toMatchObject([{ type: "user.deleted", id: member.user_id, object: null }]);
    const rows = await list(server.url, `?after=${seen.next_cursor}&types=membership`);
    expect(rows.data).toEqual([]);
    // The rows of the memberships are still in the feed, and show nothing any more.
    const again = await list(server.url, "?limit=500&include=object&types=membership");
    expect(again.data.find(({ id }) => id === memberships[0]?.id)?.object).toBeNull();
  });

  test("ends streams and waits when the process ends, and streams with a reset when the mirror is emptied", async ({
    db,
  }) => {
    const { server } = await start(db);
    const { next_cursor } = await list(server.url, "?after=now");
    const reset = eventsOf(await open(server.url, `?after=${next_cursor}`));
    const first = reset.next();
    await emptyMirror(db.database.primary.patient);
    expect((await first).value).toMatchObject({
      event: "reset",
      data: { oldest_cursor: expect.any(String) },
    });
    expect(await reset.next()).toMatchObject({ done: true });
    for (const headers of [{}, { accept: "text/event-stream" }]) {
      const refused = await ask(server.url, `?after=${next_cursor}&wait=1`, { headers });
      expect(refused.status).toBe(410);
      const { errors } = (await refused.json()) as { errors: Json[] };
      expect(errors[0]).toMatchObject({
        code: "changes_expired",
        meta: {
          oldest_cursor: expect.any(String),
          copy_anew: expect.stringContaining("/mirror/users/query"),
        },
      });
    }
    const streams = await Promise.all(
      Array.from({ length: 20 }, async () => eventsOf(await open(server.url, "?after=now&types=membership"))),
    );
    const bookmarks = streams.map((events) => events.next());
    const waits = Array.from({ length: 5 }, () => list(server.url, "?after=now&wait=30&types=membership"));
    // They must have arrived before the process ends.
    await setTimeout(300);
    await server.stop();
    for (const { value } of await Promise.all(bookmarks)) expect(value).toMatchObject({ event: "bookmark" });
    for (const events of streams) expect(await events.next()).toMatchObject({ done: true });
    for (const { data } of await Promise.all(waits)) expect(data).toEqual([]);
  });
});

describe("what follows the feed ends with what the table has", { timeout: 120_000 }, () => {
  test("while eight write and take their time to commit, through two processes, with readers that are killed", async ({
    db,
  }) => {
    const { sandbox, server, env } = await start(db);
    const other = await spawnMirror({ sandbox, databaseUrl: db.url, env });
    cleanups.push(() => killHard(other.child));
    await db.sql`create table public.written (kind text, id text, version bigint, primary key (kind, id))`;
    cleanups.push(() => db.sql`drop table public.written`);
    const { next_cursor } = await list(server.url, "?after=now");
    const writing = new AbortController();
    const readers = [
      streamed(server.url, next_cursor, "", writing.signal),
      streamed(other.url, next_cursor, "", writing.signal),
      streamed(other.url, next_cursor, "&types=organization", writing.signal),
      listed(server.url, next_cursor, "&wait=2", writing.signal),
      listed(other.url, next_cursor, "&limit=7&types=user,membership&wait=2", writing.signal),
    ];
    await Promise.all(Array.from({ length: 8 }, (_, n) => write(db, n)));
    // What was committed last is heard of by all who follow: then they may stop.
    writing.abort();
    const rows = await db.sql<{ kind: string; id: string; version: number }[]>`select * from public.written`;
    const table = new Map(rows.map(({ kind, id, version }) => [`${kind} ${id}`, version]));
    const only = (...kinds: string[]) =>
      new Map([...table].filter(([name]) => kinds.includes(name.split(" ")[0] ?? "")));
    const [one, two, organizations, pages, others] = await Promise.all(readers);
    for (const replica of [one, two, pages]) expect(replica).toEqual(table);
    expect(organizations).toEqual(only("organization"));
    expect(others).toEqual(only("user", "membership"));
  });
});

/** One writer: each transaction writes a few rows, publishes them, and takes its time; some are rolled back. */
async function write(db: TestDatabase, seed: number): Promise<void> {
  let state = seed + 1;
  const random = (below: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  for (let n = 0; n < 25; n++) {
    const kind = KINDS[random(3)] ?? "user";
    const ids = [...new Set([random(10), random(10), random(10)])].sort().map((id) => `id_${id}`);
    const isLast = random(4) === 0;
    await db.sql
      .begin(async (tx) => {
        const changes: Change[] = [];
        for (const id of ids) {
          if (isLast) await tx`delete from public.written where kind = ${kind} and id = ${id}`;
          else
            await tx`
              insert into public.written values (${kind}, ${id}, 1)
              on conflict (kind, id) do update set version = written.version + 1`;
          const [row] = await tx<{ version: number }[]>`
            select version from public.written where kind = ${kind} and id = ${id}`;
          changes.push({
            type: `${kind}.${row ? "upserted" : "deleted"}`,
            id,
            updatedAtMs: row?.version ?? 0,
          });
        }
        await setTimeout(random(10));
        await publish(tx, changes, { users: 0, organizations: 0, memberships: 0 }, noDayChanges());
        await setTimeout(random(15));
        if (random(6) === 0) throw new Error("rolled back");
      })
      .catch((error) => {
        // Deletions lock nothing where there is no row, so two can wait for each other.
        if (error.message !== "rolled back" && error.code !== "40P01") throw error;
      });
  }
}

type Replica = Map<string, unknown>;

function take(replica: Replica, { type, id, version }: Json): void {
  const [kind, how] = String(type).split(".");
  if (how === "deleted") replica.delete(`${kind} ${id}`);
  else replica.set(`${kind} ${id}`, version);
}

/** Follows by streams, each of which is cut off after a few events; resumes behind the last event that was seen whole. */
async function streamed(url: string, after: string, query: string, written: AbortSignal): Promise<Replica> {
  const replica: Replica = new Map();
  let last = after;
  for (let n = 1; !written.aborted; n++) {
    const killed = new AbortController();
    const kill = () => killed.abort();
    written.addEventListener("abort", kill);
    const response = await open(url, `?after=start${query}`, { "last-event-id": last }, killed.signal);
    expect(response.status).toBe(200);
    let left = 5 * n;
    try {
      for await (const { event, id, data } of eventsOf(response)) {
        if (event === "change") take(replica, data);
        last = id ?? last;
        if (--left === 0) kill();
      }
    } catch (error) {
      if (!killed.signal.aborted) throw error;
    }
    written.removeEventListener("abort", kill);
  }
  return listed(url, last, query, written, replica);
}

async function listed(
  url: string,
  after: string,
  query: string,
  written: AbortSignal,
  replica: Replica = new Map(),
): Promise<Replica> {
  for (let cursor = after; ; ) {
    const isLast = written.aborted;
    const page = await list(url, `?after=${cursor}${query}`);
    for (const change of page.data) take(replica, change);
    cursor = page.next_cursor;
    if (isLast && page.data.length === 0 && !page.has_more) return replica;
  }
}
