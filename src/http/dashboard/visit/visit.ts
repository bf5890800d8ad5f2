import type { Context } from "hono";
import type { Scope } from "../../../auth/scopes.js";
import type { HttpEnv } from "../../respond.js";
import type { AssetName } from "../assets/assets.js";
import type { Query } from "../assets/base.js";
import type { Api } from "./api.js";

/** What a page knows of whoever looks at it. */
export interface Visit {
  api: Api;
  /** The name of the key. */
  name: string;
  scopes: ReadonlySet<Scope>;
  /** Whether the key may change anything. */
  isReadOnly: boolean;
  /** The page that is shown, as `users`; for the navigation. */
  page: string;
  /** Its whole path below the dashboard's, as `users/user_1`. */
  path: string;
  /** The search parameters of the address. */
  query: URLSearchParams;
  /** What each form must bring as `csrf`. */
  csrf: string;
  /** Whether the session's key still holds; streams ask this about once a second. */
  isStillAllowed(): Promise<boolean>;
  nowMs: number;
  theme: Theme;
  /** The address of a page of the dashboard, below whatever prefix: `link("users", { q: "ada" })`. */
  link(path: string, query?: Query): string;
  asset(name: AssetName): string;
}

export type Theme = "light" | "dark" | "auto";

/** By context: a request whose body was read to limit it is another one behind that. */
const visits = new WeakMap<Context<HttpEnv>, Visit>();

export const setVisit = (c: Context<HttpEnv>, visit: Visit): void => void visits.set(c, visit);

/** Who asks. Known behind the sign-in. */
export function visitOf(c: Context<HttpEnv>): Visit {
  const visit = visits.get(c);
  if (!visit) throw new Error("a page was asked for before the sign-in");
  return visit;
}

export const isSignedIn = (c: Context<HttpEnv>) => visits.has(c);
