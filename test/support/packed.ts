import { execFile } from "node:child_process";
import { cpSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const ROOT = join(import.meta.dirname, "../..");

/** What a build reads. `dist` isn't among it: the package has to build itself. */
const PARTS = [
  ...["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json", "tsconfig.types.json"],
  ...["README.md", "LICENSE", "scripts", "src", "drizzle"],
];

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
