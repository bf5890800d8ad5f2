import { execFile } from "node:child_process";
import { cpSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const ROOT = join(import.meta.dirname, "../..");

/** What the build of the image gets to see: what `.dockerignore` brings back after it left out everything. */
export function buildContext(): string[] {
  const [first, ...shown] = readFileSync(join(ROOT, ".dockerignore"), "utf8")
    .split("\n")
    .filter((line) => line && !line.startsWith("#"));
  if (first !== "*" || !shown.every((line) => line.startsWith("!")))
    throw new Error(".dockerignore shows more");
  return shown.map((line) => line.slice(1));
}

/** What is built from: no more than the image is, so that this finds a build that reads what isn't there. No `dist`. */
const PARTS = [...buildContext(), "README.md"];

/** `npm pack` in a copy of the checkout that was never built. Returns the tarball's path and what is in it. */
export async function packCheckout(folder: string): Promise<{ tarball: string; paths: string[] }> {
  const checkout = join(folder, "checkout");
  for (const part of PARTS) cpSync(join(ROOT, part), join(checkout, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(checkout, "node_modules"));
  const { stdout } = await promisify(execFile)("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: checkout,
  });
  const [{ filename, files }] = JSON.parse(stdout.slice(stdout.indexOf("["))) as [
    { filename: string; files: { path: string }[] },
  ];
  return { tarball: join(folder, filename), paths: files.map(({ path }) => path) };
}
