import { expect } from "vitest";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { switchActivityHistory } from "../../../src/sync/ledger/activity-history.js";
import { createHistoryMarking } from "../../../src/sync/upkeep/history-marking.js";
import { capturedLog } from "../../support/captured-log.js";
import { clerkUser } from "../../support/clerk-user.js";
import { test } from "../../support/database.js";

const NOW = Date.now();

test("marks at the start what was stored while the history was off, and says so once", async ({ db }) => {
  await db.sql`insert into mirror_data.upstream (api_url, environment) values ('https://api.clerk.com', 'test')`;
  await switchActivityHistory(db.sql, false);
  const users = ["user_1", "user_2"].map((id) =>
    userSnapshot(clerkUser({ id, updated_at: NOW, last_active_at: NOW }), "page", NOW),
  );
  await applyItems(db.sql, [{ users }], { lagMs: 0 });
  await switchActivityHistory(db.sql, true);

  const { log, text } = capturedLog();
  const messages = () =>
    text()
      .trim()
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line).msg);
  const stop = new AbortController();
  const running = createHistoryMarking({ sql: db.sql, log }).run(stop.signal);
  const marked = async () => (await db.sql`select user_id from mirror.user_activity_days order by 1`).length;
  await expect.poll(marked).toBe(2);
  await expect.poll(() => messages().length).toBe(2);
  stop.abort();
  await running;
  expect(messages()).toEqual([
    "the days on which users were active are marked, from their last visits on",
    "the days on which users were active are marked",
  ]);
});
