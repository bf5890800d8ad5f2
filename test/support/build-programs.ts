import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const ROOT = join(import.meta.dirname, "../..");

/**
 * Compiles what tests start as processes of their own, once for the whole run: `tsx` takes most of a start. The folder
 * that it returns is like the checkout, so that a program finds beside itself what it finds there.
 */
export async function buildPrograms(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-programs-"));
  // Other users run them too.
  chmodSync(folder, 0o755);
  for (const part of ["package.json", "drizzle", "node_modules"]) {
    symlinkSync(join(ROOT, part), join(folder, part));
  }
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const config = join(import.meta.dirname, "tsconfig.programs.json");
  await promisify(execFile)(process.execPath, [tsc, "-p", config, "--outDir", folder]);
  return folder;
}
