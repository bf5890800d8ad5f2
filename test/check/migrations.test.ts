import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");

test("the migrations say what the schema says: generating anew finds nothing to add", async () => {
  const copy = mkdtempSync(join(tmpdir(), "user-mirror-drift-"));
  try {
    for (const part of ["drizzle", "src", "drizzle.config.ts", "package.json", "tsconfig.json"]) {
      cpSync(join(root, part), join(copy, part), { recursive: true });
    }
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    const before = readdirSync(join(copy, "drizzle")).sort();
    const bin = join(root, "node_modules", "drizzle-kit", "bin.cjs");
    const { stdout } = await promisify(execFile)(process.execPath, [bin, "generate"], { cwd: copy });
    expect(stdout).toContain("No schema changes");
    expect(readdirSync(join(copy, "drizzle")).sort()).toEqual(before);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});
