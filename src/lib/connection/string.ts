/** The values of a connection string by libpq's keywords, and notes on what was ignored. */
export interface ConnectionString {
  values: Readonly<Record<string, string>>;
  /** For the log. They contain no values, which might be secrets. */
  notes: string[];
}

/** Says what is wrong with a connection string, without quoting values from it. */
export class ConnectionStringError extends Error {
  override readonly name = "ConnectionStringError";
}

/**
 * Parses the forms that libpq takes: `postgres://…`, `postgresql://…`, and `host=… dbname=…`. Refuses what libpq refuses,
 * except that an unknown parameter of a URL, such as other tools add, is ignored with a note.
 */
export function parseConnectionString(text: string): ConnectionString {
  const notes: string[] = [];
  const isUrl = /^postgres(ql)?:\/\//.test(text);
  const given = isUrl ? parseUrl(text) : parsePairs(text);
  const values: Record<string, string> = {};
  const ignored: string[] = [];
  for (const [keyword, value] of given) {
    if (value.includes("\0")) throw new ConnectionStringError("holds a zero byte");
    const [name, meant] = translate(keyword, value);
    if (READ.has(name)) values[name] = meant;
    else if (isUrl || KNOWN_TO_LIBPQ.test(name)) ignored.push(name);
    else throw new ConnectionStringError(`has a word that isn't libpq's: ${printable(name)}`);
  }
  if (ignored.length > 0) {
    const names = [...new Set(ignored.map(printable))].join(", ");
    notes.push(`DATABASE_URL: ${names} ${ignored.length > 1 ? "are" : "is"} not used here and ignored`);
  }
  if (values.channel_binding === "require") {
    notes.push(
      "DATABASE_URL: channel_binding=require is taken as sslmode alone says; this driver doesn't bind channels",
    );
  }
  return { values, notes };
}

/** A connection string from which `parseConnectionString` reads the same values again. */
export function formatConnectionString(values: Readonly<Record<string, string>>): string {
  const query = Object.entries(values)
    .map(([keyword, value]) => `${encodeURIComponent(keyword)}=${encodeURIComponent(value)}`)
    .join("&");
  return `postgres://?${query}`;
}

/** The keywords of libpq that are used here. */
const READ = new Set([
  ...["host", "hostaddr", "port", "dbname", "user", "password", "passfile"],
  ...["connect_timeout", "application_name", "fallback_application_name", "options"],
  ...["keepalives", "keepalives_idle", "target_session_attrs", "channel_binding", "gssencmode", "service"],
  ...["sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslsni"],
  ...["ssl_min_protocol_version", "ssl_max_protocol_version"],
]);

const KNOWN_TO_LIBPQ =
  /^(client_encoding|keepalives_(interval|count)|tcp_user_timeout|replication|requiressl|sslcompression|sslcertmode|sslcrldir|sslkeylogfile|requirepeer|require_auth|krbsrvname|gsslib|gssdelegation|load_balance_hosts|(min|max)_protocol_version|scram_(client|server)_key|servicefile|oauth_\w+)$/;

/** Other drivers write `ssl=…`, or `no-verify`, for values of `sslmode`. */
function translate(keyword: string, value: string): [keyword: string, value: string] {
  if (keyword === "sslmode" && value === "no-verify") return ["sslmode", "require"];
  if (keyword !== "ssl") return [keyword, value];
  if (/^(true|1|on|no-verify)$/.test(value)) return ["sslmode", "require"];
  if (/^(false|0|off)$/.test(value)) return ["sslmode", "disable"];
  return ["sslmode", value];
}

const printable = (name: string) => name.replace(/[^\w.-]/g, "?").slice(0, 40);

/** As in libpq, the first `@` ends the credentials unless a `/` comes before it, and there are no fragments. */
function parseUrl(text: string): [string, string][] {
  const rest = text.slice(text.indexOf("://") + 3);
  const found: [string, string][] = [];
  const add = (keyword: string, encoded: string) => {
    if (encoded !== "") found.push([keyword, decode(encoded, keyword)]);
  };
  const credentials = /^[^@/]*@/.exec(rest)?.[0];
  if (credentials) {
    const [, user = "", password = ""] = /^([^:]*):?(.*)@$/s.exec(credentials) ?? [];
    add("user", user);
    add("password", password);
  }
  const { hosts, ports, end } = parseHosts(rest, credentials?.length ?? 0);
  if (hosts.some(Boolean)) add("host", hosts.join(","));
  if (ports.some(Boolean)) add("port", ports.join(","));
  const [, database = "", query = ""] = /^(?:\/([^?]*))?(?:\?(.*))?$/s.exec(rest.slice(end)) ?? [];
  add("dbname", database);
  for (const parameter of query.split("&").filter(Boolean)) {
    const [keyword = "", ...value] = parameter.split("=");
    found.push([decode(keyword, "a parameter"), decode(value.join("="), keyword)]);
  }
  return found;
}

function parseHosts(text: string, begin: number) {
  const hosts: string[] = [];
  const ports: string[] = [];
  let at = begin;
  for (;;) {
    const one = /^(?:\[([^\]]*)\]|([^:/?,[]*))(?::([^/?,]*))?/.exec(text.slice(at));
    const [all = "", literal, name = "", port = ""] = one ?? [];
    if (literal === "")
      throw new ConnectionStringError("has an IPv6 address without anything in its brackets");
    hosts.push(literal ?? name);
    ports.push(port);
    at += all.length;
    if (text[at] !== ",") break;
    at++;
  }
  if (at < text.length && !/[/?]/.test(text[at] ?? "")) {
    throw new ConnectionStringError(
      text[at] === "[" || text.slice(begin, at).includes("]")
        ? "has something beside the brackets of an IPv6 address"
        : "can't be read where its host ends",
    );
  }
  return { hosts, ports, end: at };
}

function decode(encoded: string, where: string): string {
  // libpq accepts any bytes; here they must be UTF-8.
  if (/%(?![0-9a-f]{2})/i.test(encoded)) {
    throw new ConnectionStringError(
      `has a % in ${where} that isn't followed by two hexadecimal digits: write % as %25`,
    );
  }
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw new ConnectionStringError(`has an encoded character in ${where} that isn't UTF-8`);
  }
}

/** `host=localhost password='it\'s'`: pairs separated by white space, which a quoted value may contain; `\` escapes any character. */
function parsePairs(text: string): [string, string][] {
  const found: [string, string][] = [];
  const pair = /\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s\\']|\\.|(?<=[^\s=])')*))(?=\s|$)/gsy;
  while (pair.lastIndex < text.trimEnd().length) {
    const [, keyword = "", quoted, bare = ""] = pair.exec(text) ?? [];
    if (keyword === "") {
      throw new ConnectionStringError(
        "is neither a postgres:// or postgresql:// address nor a list of libpq's words such as host=… dbname=…",
      );
    }
    found.push([keyword, (quoted ?? bare).replace(/\\(.)/gs, "$1")]);
  }
  if (found.length === 0) throw new ConnectionStringError("is empty");
  return found;
}
