import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { unwatched } from "../../../src/db/connection/availability.js";
import { createCommitPositions } from "../../../src/db/connection/commit-position.js";
import { createConnections } from "../../../src/db/connection/connections.js";
import type { Settings } from "../../../src/db/connection/session.js";
import { BIGINT_AS_NUMBER } from "../../../src/db/connection/sql.js";
import { test } from "../../support/database.js";

test("a version is reached from the moment it was named, and the next one isn't yet", async ({ db }) => {
  const positions = createCommitPositions(db.sql, unwatched);
  const before = await positions.current();
  expect(await positions.isReached(before)).toBe(true);
  await db.sql`insert into mirror_data.deliveries (message_id, received_at, outcome) values ('a', 1, 'applied')`;
  const after = await positions.current();
  expect(after).not.toBe(before);
  expect(await positions.isReached(before)).toBe(true);
  expect(await positions.isReached(after)).toBe(true);
});

test("what only another history of this database reached, another cluster, or a later one, is not reached", async ({
  db,
}) => {
  const positions = createCommitPositions(db.sql, unwatched);
  const [cluster, timeline, position] = (await positions.current()).split("-");
  const isReached = (...parts: unknown[]) => positions.isReached(parts.join("-"));
  expect(await isReached(cluster, timeline, "0/1")).toBe(true);
  expect(await isReached(cluster, `${timeline}F`, position)).toBe(false);
  expect(await isReached(cluster, timeline, "FFFFFFFF/0")).toBe(false);
  expect(await isReached("0123456789ABCDEF", timeline, "0/1")).toBe(false);
});

test("what positions were before they named their cluster is not reached, and no error", async ({ db }) => {
  const positions = createCommitPositions(db.sql, unwatched);
  const [, timeline] = (await positions.current()).split("-");
  expect(await positions.isReached(`${timeline}-0/1`)).toBe(false);
});

test("a role without any right has positions, and one who may not ask for the cluster tells databases apart", async ({
  db,
}) => {
  const role = `plain_${randomUUID().replaceAll("-", "")}`;
  await db.sql.unsafe(`create role ${role}`);
  const as = (settings: Settings) => {
    const connections = createConnections(db.url);
    const sql = connections.open({ name: "test", max: 1, limitMs: 5000, settings, types: BIGINT_AS_NUMBER });
    return { sql, positions: createCommitPositions(sql, unwatched) };
  };
  const plain = as({ role });
  const version = await plain.positions.current();
  expect(version).toMatch(/^[0-9A-F]{12,16}-1-/);
  expect(await plain.positions.isReached(version)).toBe(true);
  const control = "pg_catalog.pg_control_system()";
  await db.sql.unsafe(`revoke execute on function ${control} from public`);
  try {
    const positions = as({ role }).positions;
    const other = await positions.current();
    expect(other).toMatch(/^D[0-9A-F]+-1-/);
    expect(await positions.isReached(other)).toBe(true);
    expect(await positions.isReached(version)).toBe(false);
  } finally {
    await db.sql.unsafe(`grant execute on function ${control} to public`);
    await plain.sql.end();
    await db.sql.unsafe(`drop role ${role}`);
  }
});

test.each(["", "0", "1-2", "1-0/G", "1-0/1'", "user_1"])(
  "refuses %j, which no answer ever said",
  async (text) => {
    const positions = createCommitPositions(null as never, unwatched);
    await expect(positions.isReached(text)).rejects.toMatchObject({ code: "bad_request" });
  },
);
