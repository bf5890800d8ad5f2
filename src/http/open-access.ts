import type { MiddlewareHandler } from "hono";
import { isLoopback } from "../lib/own-address.js";
import type { HttpEnv } from "./respond.js";

/** Who reads what tells nothing about users (metrics, the description of the API) without a key: `OPEN_ROUTES`. */
export const OPEN_TO = ["loopback", "all", "none"] as const;
export type OpenTo = (typeof OPEN_TO)[number];

export interface OpenAccess {
  openTo: OpenTo;
  /** The address that the server listens on. */
  host: string;
}

/**
 * Stands beside an open route, and lets `authenticated` demand a key, whatever its scopes, from everybody else. `loopback` is
 * for those on this machine: a server that listens on no other address is reached by nobody else, except through a proxy
 * beside it, which a forwarding header gives away, and by a page in a browser here whose own host's name was made to lead here
 * (DNS rebinding). Such a page's requests have that name in `Host`.
 */
export function openOr(
  authenticated: MiddlewareHandler<HttpEnv>,
  { openTo, host }: OpenAccess,
): MiddlewareHandler<HttpEnv> {
  const isLocal = openTo === "loopback" && isLoopback(host);
  return (c, next) => {
    const header = (name: string) => c.req.header(name);
    const isOpen = openTo === "all" || (isLocal && namesLoopback(header("Host")) && !isForwarded(header));
    return isOpen ? next() : authenticated(c, next);
  };
}

/** HTTP/1.0 needs no `Host`, and no browser speaks it. */
function namesLoopback(host: string | undefined): boolean {
  if (host === undefined) return true;
  return URL.canParse(`http://${host}`) && isLoopback(new URL(`http://${host}`).hostname);
}

/** Those of RFC 7239 and RFC 9110, and what proxies send instead of them. An empty one was sent too. */
const FORWARDING_HEADERS = [
  ...["Forwarded", "Via", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"],
  ...["For", "Host", "Proto", "Port", "Server", "Prefix"].map((name) => `X-Forwarded-${name}`),
];

const isForwarded = (header: (name: string) => string | undefined) =>
  FORWARDING_HEADERS.some((name) => header(name) !== undefined);
