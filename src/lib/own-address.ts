import { BlockList, isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";

/**
 * Whether a URL leads to a server that listens here, as far as this can be told without a request. For a server on any free
 * port (0) it can't. Other names of this machine are noticed when the first request comes back.
 */
export function isOwnAddress(url: string, server: { host: string; port: number }): boolean {
  const { protocol, hostname: named, port } = new URL(url);
  if (Number(port || (protocol === "https:" ? 443 : 80)) !== server.port) return false;
  const [theirs, ours] = [bare(named), bare(server.host)];
  if (theirs === ours) return true;
  if (LOOPBACK.test(theirs) || ANY.test(theirs)) return LOOPBACK.test(ours) || ANY.test(ours);
  return ANY.test(ours) && (theirs.startsWith("127.") || namesOfThisMachine().includes(theirs));
}

/** Whether a server that listens on `host` is reached from this machine alone. */
export function isLoopback(host: string): boolean {
  const name = bare(host);
  const version = isIP(name);
  return version === 0
    ? /^(.+\.)?localhost$/.test(name)
    : OF_LOOPBACK.check(name, version === 4 ? "ipv4" : "ipv6");
}

const OF_LOOPBACK = new BlockList();
OF_LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
OF_LOOPBACK.addAddress("::1", "ipv6");

const bare = (host: string) => host.toLowerCase().replace(/^\[|\]$|\.$/g, "");

/** `::ffff:7f00:1` is 127.0.0.1 as an IPv6 address in a URL. */
const LOOPBACK = /^(localhost|.+\.localhost|127\.0\.0\.1|::1|::ffff:7f00:1)$/;
/** A server that listens on it accepts every address; a connection to it reaches this machine. */
const ANY = /^(0\.0\.0\.0|::|::ffff:0:0|)$/;

function namesOfThisMachine(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return [hostname().toLowerCase(), ...addresses.map(({ address }) => address)];
}
