import { expect, test } from "vitest";
import { kindOf } from "../../../src/sync/ledger/run-kinds.js";

test("only dry_run and drift change nothing", () => {
  const modes = ["backfill", "full", "dry_run", "incremental", "drift"] as const;
  expect(modes.filter((mode) => kindOf(mode).dryRun)).toEqual(["dry_run", "drift"]);
});

test("only a backfill fills; only incremental and drift keep to what changed", () => {
  const modes = ["backfill", "full", "dry_run", "incremental", "drift"] as const;
  expect(modes.filter((mode) => kindOf(mode).task === "fill")).toEqual(["backfill"]);
  expect(modes.filter((mode) => kindOf(mode).scope === "changed")).toEqual(["incremental", "drift"]);
});
