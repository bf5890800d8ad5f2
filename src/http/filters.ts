import type { Context } from "hono";
import type { FilterContext } from "../query/language/json-filter.js";
import { tooLong } from "../query/language/json-text.js";
import { BODY_BYTES } from "./body-limits.js";
import { limitBody } from "./middleware.js";
import type { HttpEnv } from "./respond.js";

/** Before what takes a filter of the mirror's own in its body. */
export const limitFilterBody = limitBody(BODY_BYTES.filter, () => tooLong("filter"));

/** What a filter means for the key that asks, at this moment. */
export const filterContextOf = (c: Context<HttpEnv>, nowMs: number): FilterContext => ({
  nowMs,
  scopes: c.get("principal").scopes,
});
