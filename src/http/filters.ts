import type { Context } from "hono";
import type { FilterContext } from "../query/language/json-filter.js";
import { tooLong } from "../query/language/json-text.js";
import { limitBody } from "./middleware.js";
import type { HttpEnv } from "./respond.js";

/** Its parser holds each member to less, but a cursor names what its user has in every key of the order. */
const MOST_BODY_BYTES = 512 * 1024;

/** Before what takes a filter of the mirror's own in its body. */
export const limitFilterBody = limitBody(MOST_BODY_BYTES, () => tooLong("filter"));

/** What a filter means for the key that asks, at this moment. */
export const filterContextOf = (c: Context<HttpEnv>, nowMs: number): FilterContext => ({
  nowMs,
  scopes: c.get("principal").scopes,
});
