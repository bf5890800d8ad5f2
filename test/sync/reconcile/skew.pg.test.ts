// Covers src/upstream/clerk-clock.ts, src/sync/ledger/proof.ts, src/db/connection/clock.ts

import { afterEach, describe, expect } from "vitest";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { loadProof } from "../../../src/sync/ledger/proof.js";
import { test } from "../../support/database.js";
import { walksOver } from "../../support/walks.js";

const sandboxes: Sandbox[] = [];
afterEach(async () => {
  for (const sandbox of sandboxes.splice(0)) await sandbox.close();
});

const MINUTE_MS = 60_000;

describe("with Clerk's clock apart from ours", () => {
  for (const minutes of [-5, 5]) {
    test(`as_of is no later than a change that Clerk's lists don't show yet, ${minutes} minutes apart`, async ({
      db,
    }) => {
      const sandbox = await startSandbox({ users: 0 });
      sandboxes.push(sandbox);
      sandbox.clock.advance(minutes * MINUTE_MS);
      for (const id of ["a", "b", "c"]) sandbox.clerk.createUser({ external_id: id });
      const { backfill, full, incremental } = await walksOver(db, sandbox, { lagMs: MINUTE_MS });
      sandbox.setListLag(10 * MINUTE_MS);
      const changed = sandbox.clerk.createUser({ external_id: "late" });
      for (const walk of [backfill, incremental, full]) {
        expect(await walk()).toMatchObject({ state: "succeeded" });
        const { asOfMs } = await loadProof(db.sql);
        expect(asOfMs).not.toBeNull();
        expect(asOfMs).toBeLessThan(Number(changed.updated_at));
      }
    });
  }
});
