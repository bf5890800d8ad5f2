/**
 * Prints the software bill of materials of the package, in CycloneDX's JSON: everything that is installed with it, on any
 * platform, and what is copied into it, with licences and checksums. It reads package.json and package-lock.json alone, and asks no registry.
 *
 * `npm sbom --omit=dev` leaves out what is needed by a development tool too, such as zod. So npm is shown a package
 * without any such tools.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");

/** Packages whose files `scripts/build.sh` copies, without what they depend on. */
const COPIED = ["swagger-ui-dist"];

const { devDependencies, ...manifest } = readJson("package.json");
const lock = readJson("package-lock.json");
for (const name of COPIED) {
  manifest.dependencies[name] = devDependencies[name];
  delete lock.packages[`node_modules/${name}`].dependencies;
}
const folder = mkdtempSync(join(tmpdir(), "sbom-"));
try {
  // npm names the product after its folder.
  const product = join(folder, manifest.name);
  mkdirSync(product);
  copyFileSync(join(ROOT, ".npmrc"), join(product, ".npmrc"));
  writeFileSync(join(product, "package-lock.json"), JSON.stringify(lock));
  writeFileSync(join(product, "package.json"), JSON.stringify(manifest));
  npm(product, "install", "--package-lock-only", "--offline", "--ignore-scripts", "--no-audit", "--no-fund");
  process.stdout.write(
    npm(product, "sbom", "--package-lock-only", "--sbom-format=cyclonedx", "--sbom-type=application"),
  );
} finally {
  rmSync(folder, { recursive: true });
}

function readJson(file: string) {
  return JSON.parse(readFileSync(join(ROOT, file), "utf8"));
}

function npm(cwd: string, ...args: string[]): string {
  return execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}
