import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { ConnectionStringError } from "./string.js";

type Values = Readonly<Record<string, string>>;
type Environment = Readonly<Record<string, string | undefined>>;

/** The environment variables of libpq, by the keyword that each one sets. */
const VARIABLES = {
  host: "PGHOST",
  hostaddr: "PGHOSTADDR",
  port: "PGPORT",
  dbname: "PGDATABASE",
  user: "PGUSER",
  password: "PGPASSWORD",
  passfile: "PGPASSFILE",
  application_name: "PGAPPNAME",
  options: "PGOPTIONS",
  connect_timeout: "PGCONNECT_TIMEOUT",
  target_session_attrs: "PGTARGETSESSIONATTRS",
  sslmode: "PGSSLMODE",
  sslnegotiation: "PGSSLNEGOTIATION",
  sslrootcert: "PGSSLROOTCERT",
  sslcert: "PGSSLCERT",
  sslkey: "PGSSLKEY",
  sslcrl: "PGSSLCRL",
} as const;

/**
 * Completes a connection string from the environment, as libpq does: its variables, the socket of a server on this machine,
 * the name of the user, `.pgpass`, and the certificates in `~/.postgresql`. Nothing has to be looked up later.
 */
export function completeConnection(given: Values, env: Environment): Record<string, string> {
  if (given.service) {
    throw new ConnectionStringError("names a service: write its settings here instead, services aren't read");
  }
  const values: Record<string, string> = {};
  for (const [keyword, variable] of Object.entries(VARIABLES)) {
    const value = env[variable];
    if (value) values[keyword] = value;
  }
  for (const [keyword, value] of Object.entries(given)) if (value !== "") values[keyword] = value;
  delete values.service;
  values.port ??= "5432";
  values.host ??= values.hostaddr ? "" : localSocket(values.port);
  values.user ??= systemUser();
  values.dbname ??= values.user;
  const home = homeOf(env);
  values.password ??= passwordFrom(values.passfile ?? (home && join(home, ".pgpass")), values) ?? "";
  if (home) {
    const defaults = { sslrootcert: "root.crt", sslcert: "postgresql.crt", sslkey: "postgresql.key" };
    for (const [keyword, name] of Object.entries(defaults)) {
      const file = join(home, ".postgresql", name);
      if (!values[keyword] && existsSync(file)) values[keyword] = file;
    }
  }
  return values;
}

/** Where Postgres puts its socket, on Debian and by default. */
const SOCKET_FOLDERS = ["/var/run/postgresql", "/tmp"];

/** Falls back to localhost when there is no socket, where libpq would fail: a server may listen on loopback. */
function localSocket(port: string): string {
  return SOCKET_FOLDERS.find((folder) => existsSync(join(folder, `.s.PGSQL.${port}`))) ?? "localhost";
}

function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    throw new ConnectionStringError("names no user, and the system has no name for the one that runs this");
  }
}

function homeOf(env: Environment): string | null {
  try {
    return env.HOME || homedir();
  } catch {
    return null;
  }
}

/** From the first line of `.pgpass` whose host, port, database and user match. `*` matches all, `\` escapes `:` and `\`. */
function passwordFrom(file: string | null, { host = "", port, dbname, user }: Values): string | null {
  if (!file) return null;
  let text: string;
  try {
    // Like libpq, ignore a file that other users may read.
    const stat = statSync(file);
    if (!stat.isFile() || (stat.mode & 0o077) !== 0) return null;
    text = readFileSync(file, "utf8");
  } catch {
    return null;
  }
  const wanted = [SOCKET_FOLDERS.includes(host) ? "localhost" : host, port, dbname, user];
  for (const line of text.split(/\r?\n/)) {
    const fields = line.startsWith("#") ? [] : (line.match(/(?:[^:\\]|\\.)*(?::|$)/g) ?? []);
    const [password, ...names] = [fields[4], ...fields.slice(0, 4)].map((field) =>
      field?.replace(/:$/, "").replace(/\\(.)/g, "$1"),
    );
    if (password && names.every((name, i) => name === "*" || name === wanted[i])) return password;
  }
  return null;
}
