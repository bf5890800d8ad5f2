import { Hono, type MiddlewareHandler } from "hono";
import { AppError } from "../../lib/errors.js";
import { encodingOf } from "../dashboard/assets/asset-routes.js";
import { PAGE_HEADERS } from "../dashboard/visit/headers.js";
import { type HttpEnv, JSON_TYPE, respond } from "../respond.js";

const DAILY = "private, max-age=86400";

/** The description of the API, and the page that shows it. `guard` decides who reads them. */
export function apiDocsRoutes(guard: MiddlewareHandler<HttpEnv>): Hono<HttpEnv> {
  // Made by the first who asks: most processes are never asked, and it costs memory.
  let description: Promise<string> | undefined;
  const describe = async () => {
    const { openApi } = await import("../openapi/document.js");
    return JSON.stringify(openApi());
  };

  return (
    new Hono<HttpEnv>()
      .get("/openapi.json", guard, async (c) => {
        description ??= describe();
        return respond(c, await description, 200, JSON_TYPE);
      })
      .get("/docs", guard, async (c) => {
        const { PAGE } = await import("../openapi/page.js");
        return respond(c, PAGE, 200, { ...PAGE_HEADERS, "content-type": "text/html; charset=utf-8" });
      })
      // The page's addresses are relative to its own, which has no slash at its end.
      .get("/docs/", guard, (c) => respond(c, null, 308, { location: "../docs" }))
      .get("/docs/:file", guard, async (c) => {
        const { pageFile } = await import("../openapi/page.js");
        const file = await pageFile(c.req.param("file"));
        if (!file) throw new AppError("not_found", "not found");
        const isGzipped = encodingOf(c.req.header("Accept-Encoding"), ["gzip"]) === "gzip";
        return respond(c, isGzipped ? file.gzip : file.plain, 200, {
          ...{ "content-type": file.type, "cache-control": DAILY, vary: "Accept-Encoding" },
          ...(isGzipped && { "content-encoding": "gzip" }),
        });
      })
  );
}
