import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { Hono } from "hono";
import { expect, vi } from "vitest";
import { newestCursor } from "../../../src/changes/cursor.js";
import { unwatched } from "../../../src/db/connection/availability.js";
import { answerErrors } from "../../../src/http/errors.js";
import { requestId } from "../../../src/http/middleware.js";
import type { HttpEnv } from "../../../src/http/respond.js";
import { createStreamUsers } from "../../../src/http/routes/export.js";
import { userQueriesRoutes } from "../../../src/http/routes/user-queries.js";
import { listen } from "../../../src/http/server.js";
import { AppError } from "../../../src/lib/errors.js";
import { createQueryEngine } from "../../../src/query/engine.js";
import { createExport } from "../../../src/query/export.js";
import { type TestDatabase, test as withDatabase } from "../../support/database.js";
import { principalWith } from "../stand-ins.js";

const CHUNK = 200;

/** A server that exports everybody, and how many chunks it has made. */
async function serve({ database: { readers } }: TestDatabase) {
  const made = { chunks: 0, ended: false };
  const exportUsers = createExport({
    pool: readers.exports,
    engine: createQueryEngine(readers, { guard: unwatched.guard, nowMs: Date.now }),
    nowMs: Date.now,
  });
  const deps = {
    exportUsers: async function* (...asked: Parameters<typeof exportUsers>) {
      try {
        for await (const chunk of exportUsers(...asked)) {
          made.chunks++;
          yield chunk;
        }
      } finally {
        made.ended = true;
      }
    },
    changesCursor: () => newestCursor(readers.points),
  };
  const search = async () => Buffer.from('{"data":[]}');
  const queries = { search, stream: createStreamUsers(deps), nowMs: Date.now, asOfMs: () => null };
  const app = new Hono<HttpEnv>()
    .onError(answerErrors((failure) => (failure instanceof AppError ? failure : null)))
    .use(requestId)
    .use((c, next) => {
      c.set("principal", principalWith("users:read")());
      return next();
    })
    .route("/", userQueriesRoutes(queries));
  const server = await listen(app, { host: "127.0.0.1", port: 0 });
  return { server, made };
}

const test = withDatabase.extend<{ served: Awaited<ReturnType<typeof serve>> }>({
  served: async ({ db }, use) => {
    const served = await serve(db);
    await use(served);
    await served.server.drain(1000);
  },
});

/** Users of which two hundred are more than fits between a server and a client that doesn't read. */
const fill = ({ sql }: TestDatabase, users: number, bytes: number) => sql`
  insert into mirror_data.users (id, payload)
  select id, json_build_object('id', id, 'first_name', '=1+1', 'fill', repeat('x', ${bytes}::int))::text
  from (select 'user_' || lpad(n::text, 6, '0') as id from generate_series(1, ${users}::int) as n) as ids`;

async function ask(url: string, accept = "application/x-ndjson"): Promise<IncomingMessage> {
  const asked = get(url, { agent: false, headers: { accept } });
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  // A connection that is cut is told to both.
  for (const one of [asked, answer]) one.on("error", () => {});
  return answer;
}

const exporting = async ({ sql }: TestDatabase) =>
  (await sql`select from pg_stat_activity where application_name like '%export' and state = 'active'`).length;

test("the whole result comes as NDJSON or CSV, with the cursor behind which the changes go on", async ({
  db,
  served,
}) => {
  await fill(db, 450, 10);
  const url = `${served.server.url}/mirror/users`;
  const lines = await fetch(url, { headers: { accept: "application/x-ndjson" } });
  expect(lines.headers.get("content-type")).toBe("application/x-ndjson");
  expect(lines.headers.get("x-mirror-changes-cursor")).toMatch(/^[\w-]{4,}$/);
  expect(lines.headers.get("cache-control")).toBe("private, no-store");
  const users = (await lines.text())
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(users).toHaveLength(450);
  expect(await (await fetch(url)).json()).toEqual({ data: [] });
  const body = JSON.stringify({ order_by: ["-created_at"], fields: ["id"], limit: 1 });
  const asked = await fetch(`${url}/query`, {
    method: "POST",
    body,
    headers: { accept: "application/x-ndjson" },
  });
  expect((await asked.text()).split("\n")[449]).toBe('{"id":"user_000450"}');
  const sheet = await fetch(url, { headers: { accept: "text/csv" } });
  expect(sheet.headers.get("content-type")).toMatch(/^text\/csv;/);
  const records = (await sheet.text()).split("\r\n");
  expect(records).toHaveLength(1 + 450 + 1);
  expect(records[1]).toBe("user_000001,,,'=1+1,,,,,,,");
});

test("a client that doesn't read holds a few chunks up, and gets everything once it does", async ({
  db,
  served,
}) => {
  await fill(db, 30 * CHUNK, 10_000);
  const { made, server } = served;
  const answer = await ask(`${server.url}/mirror/users`);
  answer.pause();
  // As many as fit into the sockets between them.
  let before = -1;
  await vi.waitUntil(
    () => {
      const isSame = made.chunks === before;
      before = made.chunks;
      return isSame;
    },
    { interval: 1000, timeout: 30_000 },
  );
  expect(made.chunks).toBeLessThan(15);
  let newlines = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    for (let at = part.indexOf(10); at !== -1; at = part.indexOf(10, at + 1)) newlines++;
  }
  expect(newlines).toBe(30 * CHUNK);
  expect(answer.complete).toBe(true);
}, 60_000);

test("a client that goes away ends the export", async ({ db, served }) => {
  await fill(db, 30 * CHUNK, 10_000);
  const { made, server } = served;
  const answer = await ask(`${server.url}/mirror/users`);
  answer.destroy();
  await vi.waitUntil(() => made.ended, { timeout: 10_000 });
  expect(made.chunks).toBeLessThan(30);
  await vi.waitUntil(async () => (await exporting(db)) === 0);
});

test("a database that fails in the middle cuts the stream, so that nobody takes it for the whole", async ({
  db,
  served,
}) => {
  await fill(db, 30 * CHUNK, 10_000);
  const answer = await ask(`${served.server.url}/mirror/users`);
  await once(answer, "readable");
  await db.sql`alter table mirror_data.users rename to users_away`;
  try {
    const reading = (async () => {
      for await (const _ of answer);
    })();
    await expect(reading).rejects.toThrow();
    expect(answer.complete).toBe(false);
  } finally {
    await db.sql`alter table mirror_data.users_away rename to users`;
  }
});

test("what fails before the first user is an answer of its own", async ({ db, served }) => {
  await db.sql`alter table mirror_data.users rename to users_away`;
  try {
    const answer = await fetch(`${served.server.url}/mirror/users`, { headers: { accept: "text/csv" } });
    expect(answer.status).toBe(500);
    expect(await answer.json()).toMatchObject({ errors: [{ code: "internal_clerk_error" }] });
  } finally {
    await db.sql`alter table mirror_data.users_away rename to users`;
  }
});
