import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { unwatched } from "../../../src/db/connection/availability.js";
import { createVersions } from "../../../src/db/connection/commit-position.js";
import { createConnections } from "../../../src/db/connection/connections.js";
import type { Settings } from "../../../src/db/connection/session.js";
import { test } from "../../support/database.js";

const types = { bigint: { to: 20, from: [20], parse: Number, serialize: String } };

test("a version is reached from the moment it was named, and the next one isn't yet", async ({ db }) => {
  const versions = createVersions(db.sql, unwatched);
  const before = await versions.current();
  expect(await versions.isReached(before)).toBe(true);
  await db.sql`insert into mirror_data.deliveries (message_id, received_at, outcome) values ('a', 1, 'applied')`;
  const after = await versions.current();
  expect(after).not.toBe(before);
  expect(await versions.isReached(before)).toBe(true);
  expect(await versions.isReached(after)).toBe(true);
});

test("what only another history of this database reached, another cluster, or a later one, is not reached", async ({
  db,
}) => {
  const versions = createVersions(db.sql, unwatched);
  const [cluster, timeline, position] = (await versions.current()).split("-");
  const isReached = (...parts: unknown[]) => versions.isReached(parts.join("-"));
  expect(await isReached(cluster, timeline, "0/1")).toBe(true);
  expect(await isReached(cluster, `${timeline}F`, position)).toBe(false);
  expect(await isReached(cluster, timeline, "FFFFFFFF/0")).toBe(false);
  expect(await isReached("0123456789ABCDEF", timeline, "0/1")).toBe(false);
});

test("what versions were before they named their cluster is not reached, and no error", async ({ db }) => {
  const versions = createVersions(db.sql, unwatched);
  const [, timeline] = (await versions.current()).split("-");
  expect(await versions.isReached(`${timeline}-0/1`)).toBe(false);
});

test("a role without any right has versions, and one who may not ask for the cluster tells databases apart", async ({
  db,
}) => {
  const role = `plain_${randomUUID().replaceAll("-", "")}`;
  await db.sql.unsafe(`create role ${role}`);
  const as = (settings: Settings) => {
    const connections = createConnections(db.url);
    const sql = connections.open({ name: "test", max: 1, limitMs: 5000, settings, types });
    return { sql, versions: createVersions(sql, unwatched) };
  };
  const plain = as({ role });
  const version = await plain.versions.current();
  expect(version).toMatch(/^[0-9A-F]{12,16}-1-/);
  expect(await plain.versions.isReached(version)).toBe(true);
  const control = "pg_catalog.pg_control_system()";
  await db.sql.unsafe(`revoke execute on function ${control} from public`);
  try {
    const versions = as({ role }).versions;
    const other = await versions.current();
    expect(other).toMatch(/^D[0-9A-F]+-1-/);
    expect(await versions.isReached(other)).toBe(true);
    expect(await versions.isReached(version)).toBe(false);
  } finally {
    await db.sql.unsafe(`grant execute on function ${control} to public`);
    await plain.sql.end();
    await db.sql.unsafe(`drop role ${role}`);
  }
});

test.each(["", "0", "1-2", "1-0/G", "1-0/1'", "user_1"])(
  "refuses %j, which no answer ever said",
  async (text) => {
    const versions = createVersions(null as never, unwatched);
    await expect(versions.isReached(text)).rejects.toMatchObject({ code: "bad_request" });
  },
);
