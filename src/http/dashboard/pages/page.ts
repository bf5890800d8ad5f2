import type { Context, Hono } from "hono";
import type { Child } from "hono/jsx";
import type { HttpEnv } from "../../respond.js";
import type { PageLink } from "../parts/layout.js";

/** What a handler shows. */
export interface Shown {
  title: string;
  content: Child;
  status?: 200 | 400 | 401 | 403 | 404 | 422 | 429 | 500 | 502 | 503;
}

/** Answers with a whole page around the content. */
export type Show = (c: Context<HttpEnv>, shown: Shown) => Promise<Response>;

/** Adds routes of a page, with their whole paths: `/dashboard/users`, `/dashboard/users/:id`. */
export type PageRoutes = (routes: Hono<HttpEnv>, show: Show) => void;

export interface Page extends PageLink {
  mount: PageRoutes;
}
