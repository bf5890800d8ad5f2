import type { IncomingMessage } from "node:http";
import type { Principal } from "../auth/keys.js";
import type { Route } from "../upstream/paths.js";

/** What a request carries through the app. */
export interface HttpEnv {
  /** Node's own request; absent where the app is called without a server. */
  Bindings: { incoming?: IncomingMessage };
  Variables: {
    requestId: string;
    /** Set behind `authenticated`, which everything but the open routes is. */
    principal: Principal;
    /** What the request is to Clerk. Set behind `classified`. */
    route: Route;
  };
}

/** Exactly this: Clerk's SDK reads any other spelling, even with a charset, as text instead of JSON. */
export const JSON_TYPE = { "Content-Type": "application/json" } as const;
