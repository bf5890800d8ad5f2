import { isIP } from "node:net";
import { ConnectionStringError, parseConnectionString } from "./string.js";
import { type Host, type Tls, tlsOf } from "./tls.js";

type Values = Readonly<Record<string, string>>;

/** The options of postgres.js for a connection string. They are complete, so that it neither guesses nor reads the environment. */
interface DriverOptions {
  host: string[];
  port: number[];
  path?: string;
  user: string;
  password: string;
  database: string;
  ssl: false | Tls | (false | Tls)[];
  sslnegotiation: "direct" | null;
  target_session_attrs?: "read-write" | "read-only" | "primary" | "standby" | "prefer-standby";
}

export interface ConnectionTarget {
  /** `ssl` is ours (`db/connection/driver.ts`), and not among the driver's types. */
  driver: Omit<DriverOptions, "ssl">;
  /** In seconds. Null: our default. */
  connectTimeout: number | null;
  /** In seconds. 0: no keep-alive. Null: our default. */
  keepAlive: number | null;
  applicationName: string | null;
  /** Sent to the server when the connection starts. */
  startup: Record<string, string>;
}

/** Throws `ConnectionStringError` when the settings make no sense together, or a file that they name can't be used. */
export function connectionOptions(url: string): ConnectionTarget {
  const { values } = parseConnectionString(url);
  const user = values.user ?? "";
  const hosts = hostsOf(values);
  const tls = tlsOf(values, hosts);
  const socket = hosts.find(({ address }) => address.startsWith("/"));
  if (socket && hosts.length > 1) {
    throw new ConnectionStringError(
      "names several hosts, one of them a Unix socket: only one can be used then",
    );
  }
  if (values.gssencmode === "require") {
    throw new ConnectionStringError("asks for gssencmode=require: GSSAPI isn't supported, use TLS (sslmode)");
  }
  const driver: DriverOptions = {
    ...hostList(hosts, tls),
    ...(socket && { path: `${socket.address}/.s.PGSQL.${socket.port}` }),
    user,
    password: values.password ?? "",
    database: values.dbname ?? user,
    sslnegotiation: values.sslnegotiation === "direct" ? "direct" : null,
    ...sessionAttributes(values.target_session_attrs),
  };
  return {
    driver,
    connectTimeout: number(values, "connect_timeout") || null,
    keepAlive: values.keepalives === "0" ? 0 : number(values, "keepalives_idle") || null,
    applicationName: values.application_name ?? values.fallback_application_name ?? null,
    startup: values.options ? { options: values.options } : {},
  };
}

/** Hosts and ports for messages, without anything secret. */
export function describeHosts({ driver: { host, port, path } }: ConnectionTarget): string {
  return (
    path ??
    [...new Set(host.map((name, i) => `${isIP(name) === 6 ? `[${name}]` : name}:${port[i]}`))].join(", ")
  );
}

function hostsOf(values: Values): Host[] {
  const names = (values.host ?? "").split(",");
  const addresses = (values.hostaddr ?? "").split(",");
  const ports = (values.port ?? "").split(",");
  const count = Math.max(names.length, addresses.length);
  if (values.hostaddr && values.host && names.length !== addresses.length) {
    throw new ConnectionStringError(`has ${addresses.length} hostaddr for ${names.length} hosts`);
  }
  if (ports.length > 1 && ports.length !== count) {
    throw new ConnectionStringError(
      `has ${ports.length} ports for ${count} hosts: one for each, or one for all`,
    );
  }
  return Array.from({ length: count }, (_, i) => {
    const name = names[i] || "";
    const address = addresses[i] || name || "localhost";
    if (addresses[i] && isIP(address) === 0)
      throw new ConnectionStringError("has a hostaddr that isn't an IP address");
    return { address, name, port: portOf(ports[ports.length === 1 ? 0 : i] ?? "") };
  });
}

function portOf(text: string): number {
  const port = Number(text.trim() || 5432);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new ConnectionStringError("has a port that isn't a number from 1 to 65535");
}

/** With sslmode `allow` each host is in the list twice: it is tried without TLS first, then with TLS. */
function hostList(hosts: readonly Host[], tls: (false | Tls)[]) {
  const attempts = hosts.flatMap((host) => tls.map((ssl) => ({ host, ssl })));
  return {
    host: attempts.map(({ host }) => host.address),
    port: attempts.map(({ host }) => host.port),
    ssl: tls.length === 1 ? (tls[0] ?? false) : attempts.map(({ ssl }) => ssl),
  };
}

function sessionAttributes(text: string | undefined): Pick<DriverOptions, "target_session_attrs"> {
  const known = ["read-write", "read-only", "primary", "standby", "prefer-standby"] as const;
  if (!text || text === "any") return {};
  const attributes = known.find((name) => name === text);
  if (!attributes)
    throw new ConnectionStringError(`has a target_session_attrs that is none of: any, ${known.join(", ")}`);
  return { target_session_attrs: attributes };
}

/** As in libpq, a missing number and one that isn't positive mean the default. */
function number(values: Values, keyword: string): number {
  const text = values[keyword]?.trim() ?? "0";
  if (!/^[+-]?\d{1,9}$/.test(text))
    throw new ConnectionStringError(`has a ${keyword} that isn't a whole number`);
  return Math.max(0, Number(text));
}
