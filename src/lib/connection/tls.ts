import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import {
  type ConnectionOptions,
  checkServerIdentity,
  type PeerCertificate,
  type SecureVersion,
} from "node:tls";
import { ConnectionStringError } from "./string.js";

type Values = Readonly<Record<string, string>>;

export interface Host {
  /** Where the connection goes. */
  address: string;
  /** The name that its certificate must have. */
  name: string;
  port: number;
}

/** How a connection is encrypted. `db/connection/driver.ts` makes postgres.js ask for it per host. */
export interface Tls {
  /** Whether to connect without TLS when the server doesn't offer it. */
  optional: boolean;
  optionsFor(address: string, port: number): ConnectionOptions;
}

const MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/**
 * The attempts to connect that libpq makes for an `sslmode`, in order. The default is `prefer`, but `disable` for a server
 * on this machine, where TLS costs time and protects from nobody.
 */
export function tlsOf(values: Values, hosts: readonly Host[]): (false | Tls)[] {
  const system = values.sslrootcert === "system";
  const local = hosts.every(({ address }) => /^(\/|localhost$|127\.|::1$)/.test(address));
  const mode = values.sslmode ?? (system ? "verify-full" : local ? "disable" : "prefer");
  if (!MODES.includes(mode))
    throw new ConnectionStringError(`has an sslmode that is none of: ${MODES.join(", ")}`);
  if (system && mode !== "verify-full") {
    throw new ConnectionStringError("has sslrootcert=system, which needs sslmode=verify-full");
  }
  const direct = values.sslnegotiation === "direct";
  if (values.sslnegotiation && !direct && values.sslnegotiation !== "postgres") {
    throw new ConnectionStringError("has an sslnegotiation that is neither postgres nor direct");
  }
  if (direct && /^(disable|allow|prefer)$/.test(mode)) {
    throw new ConnectionStringError("has sslnegotiation=direct, which needs sslmode=require or more");
  }
  if (mode === "disable" || hosts.every(({ address }) => address.startsWith("/"))) return [false];
  const tls = {
    optional: mode === "prefer" || mode === "allow",
    optionsFor: optionsFor(values, mode, hosts),
  };
  return mode === "allow" ? [false, tls] : [tls];
}

function optionsFor(values: Values, mode: string, hosts: readonly Host[]): Tls["optionsFor"] {
  const authorities =
    values.sslrootcert && values.sslrootcert !== "system" ? read(values, "sslrootcert") : null;
  const verifies = authorities !== null || mode.startsWith("verify");
  if (verifies && !values.sslrootcert) {
    throw new ConnectionStringError(
      `has sslmode=${mode} and no sslrootcert: name the file of your CA, or sslrootcert=system for public ones ` +
        "(with verify-full)",
    );
  }
  if (values.sslcert && !values.sslkey) {
    throw new ConnectionStringError("has an sslcert and no sslkey");
  }
  const base: ConnectionOptions = {
    rejectUnauthorized: verifies,
    ...(authorities && { ca: authorities }),
    ...(values.sslcert && { cert: read(values, "sslcert"), key: read(values, "sslkey") }),
    ...(values.sslpassword && { passphrase: values.sslpassword }),
    ...(values.sslcrl && { crl: read(values, "sslcrl") }),
    minVersion: version(values, "ssl_min_protocol_version") ?? "TLSv1.2",
    ...(values.ssl_max_protocol_version && { maxVersion: version(values, "ssl_max_protocol_version") }),
    ...(values.sslnegotiation === "direct" && { ALPNProtocols: ["postgresql"] }),
  };
  return (address, port) => {
    const host = hosts.find((one) => one.address === address && one.port === port);
    const name = host?.name || address;
    return {
      ...base,
      // TLS allows only names here, not IP addresses.
      ...(isIP(name) === 0 && values.sslsni !== "0" && { servername: name }),
      checkServerIdentity: (_, certificate) =>
        mode === "verify-full" ? checkName(name, certificate) : undefined,
    };
  };
}

/** Like libpq, accepts an IP address as the common name of a certificate that has no alternative names. */
function checkName(name: string, certificate: PeerCertificate): Error | undefined {
  if (isIP(name) !== 0 && !certificate.subjectaltname && certificate.subject?.CN === name) return undefined;
  return checkServerIdentity(name, certificate);
}

function read(values: Values, keyword: string): string {
  try {
    return readFileSync(values[keyword] ?? "", "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConnectionStringError(`names a file by ${keyword} that can't be read (${code})`);
  }
}

function version(values: Values, keyword: string): SecureVersion | undefined {
  const text = values[keyword];
  if (!text) return undefined;
  if (/^TLSv1(\.[123])?$/i.test(text)) return text.replace(/^tls/i, "TLS") as SecureVersion;
  throw new ConnectionStringError(`has an ${keyword} that is none of: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3`);
}
