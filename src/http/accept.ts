import type { Context } from "hono";
import { parseAccept } from "hono/utils/accept";
import type { HttpEnv } from "./respond.js";

/**
 * Which of these media types the caller wants, by the `Accept` header and its weights. Of equal ones what is named in full comes
 * before what a `*` stands for, and then whatever stands first there. The first of `types` where none is wanted.
 */
export function wantedType<T extends string>(c: Context<HttpEnv>, types: readonly [T, ...T[]]): T {
  const header = c.req.header("Accept");
  if (header === undefined) return types[0];
  const accepted = parseAccept(header).map(({ type, q }) => ({ type: type.trim().toLowerCase(), q }));
  const wanted = types.flatMap((type) => {
    const best = accepted
      .map((one, place) => ({ type, q: one.q, place, exactness: exactness(one.type, type) }))
      .filter((one) => one.exactness > 0)
      .sort((a, b) => b.exactness - a.exactness)[0];
    return best && best.q > 0 ? [best] : [];
  });
  wanted.sort((a, b) => b.q - a.q || b.exactness - a.exactness || a.place - b.place);
  return wanted[0]?.type ?? types[0];
}

function exactness(range: string, type: string): number {
  if (range === type) return 3;
  if (range === `${type.split("/")[0]}/*`) return 2;
  return range === "*/*" ? 1 : 0;
}
