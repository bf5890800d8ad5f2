import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SYSTEMD_ANALYZE } from "../support/system-packages.js";

const unit = readFileSync(
  join(import.meta.dirname, "..", "..", "deploy/systemd/user-mirror.service"),
  "utf8",
);
const folder = mkdtempSync(join(tmpdir(), "user-mirror-unit-"));
const file = join(folder, "user-mirror.service");
afterAll(() => rmSync(folder, { recursive: true }));

/** What systemd says against a unit. Node is where it is here. */
function complaintsAbout(text: string): string {
  writeFileSync(file, text.replace("/usr/bin/node", process.execPath));
  const { stdout, stderr } = spawnSync(SYSTEMD_ANALYZE, ["verify", "--man=no", file], { encoding: "utf8" });
  return `${stdout}${stderr}`;
}

test("systemd takes every line of the unit", () => {
  expect(complaintsAbout(unit)).toBe("");
  expect(complaintsAbout(unit.replace("ProtectHome=", "ProtectHomes="))).toContain("ProtectHomes");
});

test("systemd's own measure finds the service well protected: 1.5 of 10, where 10 is open", () => {
  writeFileSync(file, unit);
  // It exits with an error where the measure is worse.
  execFileSync(SYSTEMD_ANALYZE, ["security", "--offline=true", "--threshold=15", file], { encoding: "utf8" });
});

test("a wrong configuration isn't tried again, and a stop is left to the mirror before anything is killed", () => {
  expect(unit).toContain("\nRestartPreventExitStatus=78\n");
  expect(unit).toContain("\nKillMode=mixed\n");
  // It is gone after 20 seconds whatever happens.
  expect(Number(/^TimeoutStopSec=(\d+)s$/m.exec(unit)?.[1])).toBeGreaterThan(20);
});
