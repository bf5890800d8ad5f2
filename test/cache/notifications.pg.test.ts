import { afterEach, beforeEach, describe, expect } from "vitest";
import { createNotifications } from "../../src/cache/notifications.js";
import { createConnections } from "../../src/db/connection/connections.js";
import { silentLogger } from "../../src/observability/logger.js";
import { test } from "../support/database.js";
import { startNetwork } from "../support/network.js";

let heard: (string[] | "all")[];
let stop: () => Promise<void>;
beforeEach(() => {
  heard = [];
});
afterEach(() => stop());

function listen(url: string) {
  const stopped = new AbortController();
  const notifications = createNotifications({
    connections: createConnections(url),
    onChange: (ids) => heard.push(ids),
    log: silentLogger(),
  });
  const running = notifications.run(stopped.signal);
  stop = async () => {
    stopped.abort();
    await running;
  };
  return notifications;
}

const APPLICATION = "user-mirror notifications";

describe("notifications", () => {
  test("tell who was changed, and of everybody when it isn't said", async ({ db }) => {
    const notifications = listen(db.url);
    expect(notifications.isHearing()).toBe(false);
    await expect.poll(notifications.isHearing).toBe(true);
    expect(heard).toEqual(["all"]);
    for (const payload of ['{"ids":["a","b"]}', "*", "nonsense", '{"id":1}']) {
      await db.sql`select pg_notify('mirror_changes', ${payload})`;
    }
    await expect.poll(() => heard).toEqual(["all", ["a", "b"], "all", "all", "all"]);
  });

  test("are distrusted while the connection is gone, and what was missed counts for everybody", async ({
    db,
  }) => {
    const network = await startNetwork(db.url);
    const notifications = listen(network.url);
    await expect.poll(notifications.isHearing).toBe(true);
    network.refuse();
    await expect.poll(notifications.isHearing).toBe(false);
    await db.sql`select pg_notify('mirror_changes', '{"ids":["missed"]}')`;
    heard.splice(0);
    await network.accept();
    await expect.poll(notifications.isHearing, { timeout: 10_000 }).toBe(true);
    expect(heard).toEqual(["all"]);
    network.close();
  });

  test("are distrusted when the connection swallows everything, though it is never closed", async ({
    db,
  }) => {
    const network = await startNetwork(db.url);
    const notifications = listen(network.url);
    await expect.poll(notifications.isHearing).toBe(true);
    network.swallow();
    await expect.poll(notifications.isHearing, { timeout: 5000 }).toBe(false);
    network.heal();
    await expect.poll(notifications.isHearing, { timeout: 10_000 }).toBe(true);
    network.close();
  });

  test("take one connection, and leave none behind", async ({ db }) => {
    const connections = async () =>
      (
        await db.sql`select 1 from pg_stat_activity where application_name = ${APPLICATION}
        and datname = current_database()`
      ).length;
    const notifications = listen(db.url);
    await expect.poll(notifications.isHearing).toBe(true);
    expect(await connections()).toBe(1);
    await stop();
    await expect.poll(connections).toBe(0);
    expect(notifications.isHearing()).toBe(false);
  });
});
