import { hostname, networkInterfaces } from "node:os";

/**
 * Whether a URL names, as far as can be told without asking anybody, what a server here listens on. A server on any free
 * port (0) isn't known yet; other names for this machine are found out by the first request that comes back.
 */
export function isOwnAddress(url: string, server: { host: string; port: number }): boolean {
  const { protocol, hostname: named, port } = new URL(url);
  if (Number(port || (protocol === "https:" ? 443 : 80)) !== server.port) return false;
  const [theirs, ours] = [bare(named), bare(server.host)];
  if (theirs === ours) return true;
  if (LOOPBACK.test(theirs) || ANY.test(theirs)) return LOOPBACK.test(ours) || ANY.test(ours);
  return ANY.test(ours) && (theirs.startsWith("127.") || namesOfThisMachine().includes(theirs));
}

const bare = (host: string) => host.toLowerCase().replace(/^\[|\]$|\.$/g, "");

/** `::ffff:7f00:1` is how a URL spells 127.0.0.1 within IPv6. */
const LOOPBACK = /^(localhost|.+\.localhost|127\.0\.0\.1|::1|::ffff:7f00:1)$/;
/** Listening on it takes every address; connecting to it reaches this machine. */
const ANY = /^(0\.0\.0\.0|::|::ffff:0:0|)$/;

function namesOfThisMachine(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return [hostname().toLowerCase(), ...addresses.map(({ address }) => address)];
}
