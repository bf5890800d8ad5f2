import { Hono } from "hono";
import { AppError } from "../../lib/errors.js";
import { type HttpEnv, respondJson } from "../respond.js";
import type { WebhookReceiver } from "../webhook-receiver.js";
import { refusedBefore, WEBHOOK_PATH } from "../webhook-shortcut.js";

/** The route to which Clerk sends its events. */
export function webhookRoutes(webhooks: WebhookReceiver): Hono<HttpEnv> {
  return new Hono<HttpEnv>()
    .post(WEBHOOK_PATH, async (c) => {
      const refused = refusedBefore(c.env?.incoming);
      if (refused) {
        c.set("startedAtMs", refused.startedAtMs);
        throw refused.error;
      }
      const { status, version } = await webhooks.receive({
        header: (name) => c.req.header(name),
        body: c.env?.incoming ?? (() => c.req.arrayBuffer()),
      });
      if (version !== null) c.get("headers")["x-mirror-version"] = version;
      return respondJson(c, { status });
    })
    .all(WEBHOOK_PATH, () => {
      throw new AppError("method_not_allowed", "Webhooks are sent here by POST.");
    });
}
