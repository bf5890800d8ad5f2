import { Hono } from "hono";
import { AppError } from "../../../lib/errors.js";
import { type HttpEnv, respond } from "../../respond.js";
import { ASSET_NAMES, asset } from "./assets.js";
import { BASE } from "./base.js";

const FOR_EVER = "public, max-age=31536000, immutable";

/** The files that pages use, open to everybody: there is nothing of anybody in them. */
export function assetRoutes(): Hono<HttpEnv> {
  return new Hono<HttpEnv>().get(`${BASE}/assets/:hash/:name`, (c) => {
    const name = ASSET_NAMES.find((one) => one === c.req.param("name"));
    const file = name && asset(name);
    // Another version of the mirror, beside this one, has other files: a browser must not keep ours under their address.
    if (!file || file.hash !== c.req.param("hash")) throw new AppError("not_found", "not found");
    const encoding = encodingOf(c.req.header("Accept-Encoding"), ["br", "gzip"]);
    return respond(c, encoding === null ? file.plain : file[encoding], 200, {
      ...{ "content-type": file.type, "cache-control": FOR_EVER, vary: "Accept-Encoding" },
      ...(encoding !== null && { "content-encoding": encoding }),
    });
  });
}

/** The first of `encodings` that an `Accept-Encoding` accepts by name. */
export function encodingOf<E extends string>(
  accepted: string | undefined,
  encodings: readonly E[],
): E | null {
  const names = (accepted ?? "").split(",").flatMap((one) => {
    const [name = "", q = ""] = one.trim().split(";");
    return /q=0(\.0*)?$/.test(q.trim()) ? [] : [name.trim()];
  });
  return encodings.find((encoding) => names.includes(encoding)) ?? null;
}
