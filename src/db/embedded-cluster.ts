import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";
import { AppError } from "../lib/errors.js";
import type { RunAs } from "./embedded-binaries.js";

export const EMBEDDED_ROLE = "mirror";

/** Programs of the server see no locale or variable of ours. */
export const CLEAN_ENVIRONMENT = { LC_ALL: "C", LANG: "C", TZ: "UTC", PATH: "/usr/bin:/bin" };

/** A data directory that `initdb` made, and what stands in it beside Postgres's own files. */
export interface Cluster {
  data: string;
  password: string;
  /** LC_CTYPE, from which pg_trgm takes what is a letter: under `C` it finds none outside ASCII. */
  locale: string;
}

/**
 * Where the cluster of a DATA_DIR lives. Under root that is /var/lib: the account the server runs as may not enter the
 * directories above DATA_DIR. `DATA_DIR/LOCATION` then says where.
 */
export function embeddedLocation(dataDir: string, runAs: RunAs | null): string {
  if (!runAs) return join(resolve(dataDir), "postgres");
  const hash = createHash("sha256").update(resolve(dataDir)).digest("hex").slice(0, 12);
  return join("/var/lib/user-mirror", hash);
}

/** Makes the cluster unless it stands already. Two processes may try at once: one wins, both use the winner's. */
export async function ensureCluster(options: {
  dataDir: string;
  runAs: RunAs | null;
  binaries: { bin: string; version: string };
  durable: boolean;
}): Promise<Cluster> {
  const { dataDir, runAs, binaries, durable } = options;
  const location = embeddedLocation(dataDir, runAs);
  const data = join(location, "data");
  mkdirSync(location, { recursive: true, mode: runAs ? 0o755 : 0o700 });
  if (runAs) {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(join(dataDir, "LOCATION"), `${location}\n`);
  }
  if (!existsSync(join(data, "PG_VERSION"))) await initialise(location, data, binaries.bin, runAs, durable);
  refuseOtherMajor(data, binaries.version);
  const read = (file: string) => readFileSync(join(data, file), "utf8").trim();
  return { data, password: read("mirror.password"), locale: read("mirror.locale") };
}

async function initialise(
  location: string,
  data: string,
  bin: string,
  runAs: RunAs | null,
  durable: boolean,
) {
  const temporary = mkdtempSync(join(location, ".init-"));
  try {
    const fresh = join(temporary, "data");
    const password = join(temporary, "password");
    writeFileSync(password, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600 });
    if (runAs) for (const path of [temporary, password]) chownSync(path, runAs.uid, runAs.gid);
    const locale = await initdb(join(bin, "initdb"), fresh, password, runAs, durable);
    writeFileSync(join(fresh, "mirror.locale"), `${locale}\n`, { mode: 0o600 });
    renameSync(password, join(fresh, "mirror.password"));
    // Whole or not at all, the password with it: who loses this race gets ENOTEMPTY.
    renameSync(fresh, data);
  } catch (error) {
    if (!existsSync(join(data, "PG_VERSION"))) throw error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
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
      program,
      [
        ...["-D", data, "-U", EMBEDDED_ROLE, "-A", "scram-sha-256", `--pwfile=${password}`, "-E", "UTF8"],
        ...["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", `--lc-ctype=${locale}`],
        ...["--no-instructions", ...(durable ? [] : ["--no-sync"])],
      ],
      runAs,
    );
    if (failure === null) return locale;
    failures.push(failure);
    rmSync(data, { recursive: true, force: true });
  }
  throw new Error(`the embedded Postgres could not be set up: ${failures[0]}`);
}

/** Null when it succeeded, else what it printed. */
function run(program: string, args: readonly string[], runAs: RunAs | null): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: "/",
      env: CLEAN_ENVIRONMENT,
      stdio: ["ignore", "pipe", "pipe"],
      ...(runAs ?? {}),
    });
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        printed += chunk;
      });
    }
    child.on("error", reject);
    child.on("close", (code) =>
      resolve(code === 0 ? null : `${basename(program)} ended with ${code}: ${printed}`),
    );
  });
}

function refuseOtherMajor(data: string, version: string): void {
  const major = readFileSync(join(data, "PG_VERSION"), "utf8").trim();
  if (major === version.split(".")[0]) return;
  throw new AppError(
    "configuration",
    `${data} was made by PostgreSQL ${major}, but this installation brings ${version}. ` +
      "Dump it with the old version and restore it, or delete it: the mirror fills itself again.",
  );
}
