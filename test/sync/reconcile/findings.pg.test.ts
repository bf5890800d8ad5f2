import { describe, expect } from "vitest";
import type { Sql } from "../../../src/db/connection/sql.js";
import { unfenced } from "../../../src/sync/ledger/lease.js";
import { createRun, findRun, type Run } from "../../../src/sync/ledger/runs.js";
import { createFindings } from "../../../src/sync/reconcile/findings.js";
import { test } from "../../support/database.js";

async function newRun(sql: Sql): Promise<Run> {
  return (await findRun(sql, await createRun(sql, "full", 1))) as Run;
}

describe("the findings of a run", () => {
  test("count a user once for a reason, also after the run was interrupted and resumed", async ({ db }) => {
    const run = await newRun(db.sql);
    const first = createFindings({ sql: db.sql, fence: unfenced, run, requests: () => 5 });
    first.countMissed(
      new Map([
        ["user_1", "created"],
        ["user_2", "updated"],
        ["user_3", "touched"],
      ]),
    );
    first.differs("missed_delete", ["user_1", "user_1"]);
    await first.save();

    const left = (await findRun(db.sql, run.id)) as Run;
    const resumed = createFindings({ sql: db.sql, fence: unfenced, run: left, requests: () => 5 });
    resumed.countMissed(new Map([["user_1", "created"]]));
    resumed.differs("missed_delete", ["user_4"]);
    await resumed.save();

    const { differences, difference_ids } = (await findRun(db.sql, run.id)) as Run;
    expect(differences).toEqual({ missed_create: 1, missed_update: 1, missed_delete: 2 });
    expect(difference_ids).toEqual({
      missed_create: ["user_1"],
      missed_update: ["user_2"],
      missed_delete: ["user_1", "user_4"],
    });
  });

  test("hold only the requests that were sent since the run began", async ({ db }) => {
    let sent = 5;
    const run = await newRun(db.sql);
    const findings = createFindings({ sql: db.sql, fence: unfenced, run, requests: () => sent });
    sent = 8;
    findings.expectUsers(40);
    findings.sawUsers(10, "user_1");
    findings.sawUsers(0, null);
    await findings.save();

    const saved = await findRun(db.sql, run.id);
    expect([saved?.requests, saved?.users]).toEqual([3, { seen: 10, expected: 40 }]);
    expect(findings.witness).toBe("user_1");
  });

  test("count foreseen users within bounds, which are both excluded", async ({ db }) => {
    const run = await newRun(db.sql);
    const findings = createFindings({ sql: db.sql, fence: unfenced, run, requests: () => 0 });
    for (const [id, at] of Object.entries({ user_1: 10, user_2: 20, user_3: 30 })) findings.foresee(id, at);

    expect(findings.foreseenWithin({ afterMs: null, beforeMs: null })).toBe(3);
    expect(findings.foreseenWithin({ afterMs: 10, beforeMs: 30 })).toBe(1);
    expect(findings.foreseenWithin({ afterMs: null, beforeMs: 30 })).toBe(2);
  });
});
