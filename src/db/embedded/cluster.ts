import { hash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";
import { AppError } from "../../lib/errors.js";
import type { RunAs } from "./binaries.js";
import { makeFolder } from "./folder.js";
import { livingServer } from "./pid-file.js";
import { spawnWatched } from "./watched.js";

export const EMBEDDED_ROLE = "mirror";

/** A data directory made by `initdb`, and what we keep in it beside Postgres's own files. */
export interface Cluster {
  /** Without symbolic links, so that another process recognises the server by it, whichever way it came. */
  data: string;
  /** The account that owns its files, if we are root. It isn't always the one that we would choose today. */
  runAs: RunAs | null;
  password: string;
  /** LC_CTYPE, which tells pg_trgm what is a letter. With `C` it finds none outside ASCII. */
  locale: string;
}

/**
 * Where the cluster of a DATA_DIR lives. For root that is /var/lib, because the server's account may not enter the
 * directories above DATA_DIR; `DATA_DIR/LOCATION` then says where.
 */
export function embeddedLocation(dataDir: string, runAs: RunAs | null): string {
  if (!runAs) return join(resolve(dataDir), "postgres");
  return join("/var/lib/user-mirror", hash("sha256", resolve(dataDir)).slice(0, 12));
}

/** Makes the cluster unless it exists. Two processes may try at once: one wins, and both use the winner's. */
export async function ensureCluster(options: {
  dataDir: string;
  runAs: RunAs | null;
  binaries: { bin: string; version: string };
  durable: boolean;
}): Promise<Cluster> {
  const { dataDir, binaries, durable } = options;
  const location = embeddedLocation(dataDir, options.runAs);
  makeFolder(location, options.runAs ? 0o755 : 0o700);
  if (options.runAs) {
    makeFolder(dataDir, 0o755);
    writeFileSync(join(dataDir, "LOCATION"), `${location}\n`);
  }
  const place = join(location, "data");
  if (!isCluster(place)) await initialise(location, place, binaries.bin, options.runAs, durable);
  removeTorn(location);
  const data = realpathSync(place);
  const runAs = options.runAs && ownerOf(data);
  refuseOtherMajor(data, binaries.version);
  tighten(data);
  const password = readPassword(data) ?? (await resetPassword(data, binaries.bin, runAs));
  return { data, runAs, password, locale: readLocale(data) };
}

const isCluster = (data: string) => existsSync(join(data, "PG_VERSION"));

async function initialise(
  location: string,
  data: string,
  bin: string,
  runAs: RunAs | null,
  durable: boolean,
) {
  if (existsSync(data) && readdirSync(data).length > 0) {
    throw new AppError(
      "configuration",
      `${data} (DATA_DIR) holds something that isn't the embedded Postgres. Move it away, or set another DATA_DIR.`,
    );
  }
  const temporary = mkdtempSync(join(location, TORN));
  try {
    const fresh = join(temporary, "data");
    const password = join(temporary, "password");
    writeFileSync(password, `${newPassword()}\n`, { mode: 0o600 });
    if (runAs) for (const path of [temporary, password]) chownSync(path, runAs.uid, runAs.gid);
    const locale = await initdb(join(bin, "initdb"), fresh, password, runAs, durable);
    writeFileSync(join(fresh, "mirror.locale"), `${locale}\n`, { mode: 0o600 });
    renameSync(password, join(fresh, "mirror.password"));
    // What initdb wrote is on the disk. This must be too before it counts.
    if (durable) for (const file of ["mirror.locale", "mirror.password", "."]) sync(join(fresh, file));
    // Renames the folder as a whole, with the password in it: the process that loses this race gets ENOTEMPTY.
    renameSync(fresh, data);
  } catch (error) {
    if (!isCluster(data)) throw error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

const TORN = ".init-";

/**
 * Removes what interrupted starts left behind. A process that is at it just now has lost the race and takes what is
 * there.
 */
function removeTorn(location: string): void {
  for (const name of readdirSync(location)) {
    if (name.startsWith(TORN)) rmSync(join(location, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

function sync(path: string): void {
  const file = openSync(path, "r");
  fsyncSync(file);
  closeSync(file);
}

/** Tries the locales in which pg_trgm knows letters, and says which one the system had. */
async function initdb(
  program: string,
  data: string,
  password: string,
  runAs: RunAs | null,
  durable: boolean,
) {
  const failures: string[] = [];
  for (const locale of ["C.UTF-8", "en_US.UTF-8", "C"]) {
    const failure = await run(
      [
        ...[program, "-D", data, "-U", EMBEDDED_ROLE, "-A", "scram-sha-256", `--pwfile=${password}`],
        ...["-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"],
        ...[`--lc-ctype=${locale}`, "--no-instructions", ...(durable ? [] : ["--no-sync"])],
      ],
      runAs,
    );
    if (failure === null) return locale;
    failures.push(failure);
    rmSync(data, { recursive: true, force: true });
  }
  throw new Error(`the embedded Postgres could not be set up: ${failures[0]}`);
}

/** Null if it succeeded, else what it printed. */
async function run(command: readonly string[], runAs: RunAs | null): Promise<string | null> {
  const { child, printed } = spawnWatched(command, runAs);
  const [code] = await once(child, "close");
  return code === 0 ? null : `${basename(command[0] ?? "")} ended with ${code}: ${printed().trim()}`;
}

function refuseOtherMajor(data: string, version: string): void {
  const major = readFileSync(join(data, "PG_VERSION"), "utf8").trim();
  if (major === version.split(".")[0]) return;
  throw new AppError(
    "configuration",
    `${data} was made by PostgreSQL ${major || "(PG_VERSION is empty)"}, but this installation brings ${version}. ` +
      "Dump it with the old version and restore it, or delete it: the mirror fills itself again.",
  );
}

function ownerOf(data: string): RunAs | null {
  const { uid, gid } = statSync(data);
  if (uid !== 0) return { uid, gid };
  throw new AppError(
    "configuration",
    `${data} belongs to root, whom Postgres refuses to run as. Give it to the account that ran it before (chown -R).`,
  );
}

/** Postgres refuses a folder that others may look into, which a backup or `chmod -R` may have made of it. */
function tighten(data: string): void {
  const { mode, uid } = statSync(data);
  const mine = process.getuid?.() === 0 || process.getuid?.() === uid;
  if (mine && (mode & 0o777) !== 0o700) chmodSync(data, 0o700);
}

const newPassword = () => randomBytes(24).toString("base64url");

/** Null if a crash left half of it, or nothing. */
function readPassword(data: string): string | null {
  try {
    return /^([\w-]{32})\n$/.exec(readFileSync(join(data, "mirror.password"), "utf8"))?.[1] ?? null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Sets the password anew. Whoever may write the cluster's files may do that. */
async function resetPassword(data: string, bin: string, runAs: RunAs | null): Promise<string> {
  if (livingServer(data) !== null) {
    throw new AppError(
      "configuration",
      `${join(data, "mirror.password")} is damaged. Stop whatever runs User Mirror on this DATA_DIR, and start it again.`,
    );
  }
  const password = newPassword();
  const file = join(data, "mirror.password");
  const statement = join(data, `mirror.reset.${process.pid}`);
  const programs = [join(bin, "postgres"), "--single", "-D", data, "postgres"];
  try {
    writeFileSync(statement, `alter role ${EMBEDDED_ROLE} password '${password}'\n`, { mode: 0o600 });
    if (runAs) chownSync(statement, runAs.uid, runAs.gid);
    // The watcher keeps its program's standard input for itself.
    const failure = await run(["/bin/sh", "-c", 'exec "$@" <"$0"', statement, ...programs], runAs);
    if (failure !== null)
      throw new Error(`the embedded Postgres's password could not be set anew: ${failure}`);
    writeFileSync(`${file}.new`, `${password}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } finally {
    rmSync(statement, { force: true });
  }
  return password;
}

/** Only decides whether a warning is due. */
function readLocale(data: string): string {
  try {
    return readFileSync(join(data, "mirror.locale"), "utf8").trim();
  } catch {
    return "unknown";
  }
}
