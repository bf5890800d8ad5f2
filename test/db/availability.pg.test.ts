import { afterEach, describe, expect } from "vitest";
import { type Availability, createAvailability } from "../../src/db/availability.js";
import { connect } from "../../src/db/client.js";
import { createConnections } from "../../src/db/connections.js";
import { silentLogger } from "../../src/observability/logger.js";
import { test } from "../support/database.js";
import { startNetwork } from "../support/network.js";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function watch(url: string): Availability {
  const availability = createAvailability({ connections: createConnections(url), log: silentLogger() });
  const stopping = new AbortController();
  const running = availability.run(stopping.signal);
  cleanups.push(() => {
    stopping.abort();
    return running;
  });
  return availability;
}

const untilAway = (availability: Availability, away: boolean) =>
  expect.poll(availability.isAway, { timeout: 10_000, interval: 10 }).toBe(away);

describe("a Postgres", () => {
  test("that swallows everything counts as away: who waits is told, and who comes is told at once", async ({
    db,
  }) => {
    const network = await startNetwork(db.url);
    cleanups.push(network.close);
    const availability = watch(network.url);
    const { sql, close } = connect({ url: network.url });
    cleanups.push(close);
    expect(await availability.guard(async () => (await sql`select 1 as one`)[0]?.one)).toBe(1);

    network.swallow();
    const waiting = availability.guard(async () => sql`select 2`);
    await expect(waiting).rejects.toMatchObject({ code: "database_unavailable" });
    expect(availability.isAway()).toBe(true);
    let begun = false;
    const late = availability.guard(async () => {
      begun = true;
    });
    await expect(late).rejects.toMatchObject({ code: "database_unavailable" });
    expect(begun).toBe(false);

    network.heal();
    await untilAway(availability, false);
    expect(await availability.guard(async () => (await sql`select 3 as three`)[0]?.three)).toBe(3);
  });

  test("that refuses counts as away from the first failure on, and as back once the hooks have ended", async ({
    db,
  }) => {
    const network = await startNetwork(db.url);
    cleanups.push(network.close);
    const availability = watch(network.url);
    const { sql, close } = connect({ url: network.url });
    cleanups.push(close);
    let hooked = 0;
    availability.onReturn(async () => {
      expect(availability.isAway()).toBe(true);
      hooked++;
      throw new Error("a hook that fails keeps nobody away");
    });
    await sql`select 1`;
    network.refuse();
    await expect(availability.guard(async () => sql`select 1`)).rejects.toMatchObject({
      code: "database_unavailable",
    });
    await untilAway(availability, true);
    await network.accept();
    await untilAway(availability, false);
    expect(hooked).toBe(1);
  });

  test("that refuses a statement is not away, and the failure is told as it is", async ({ db }) => {
    const availability = watch(db.url);
    const { sql } = db;
    await expect(availability.guard(async () => sql`select 1 / 0`)).rejects.toMatchObject({ code: "22012" });
    expect(availability.isAway()).toBe(false);
    await expect(
      availability.guard(async () => sql`select pg_terminate_backend(pg_backend_pid())`),
    ).rejects.toMatchObject({ code: "database_unavailable" });
    expect(await availability.guard(async () => (await sql`select 1 as one`)[0]?.one)).toBe(1);
  });
});
