import { Hono } from "hono";
import { AppError } from "../../lib/errors.js";
import { type HttpEnv, respondJson } from "../respond.js";
import { WEBHOOK_PATH, type WebhookReceiver } from "../webhook-receiver.js";

/** The route to which Clerk sends its events. Mostly `webhook-shortcut` has taken them before they get here. */
export function webhookRoutes(webhooks: WebhookReceiver): Hono<HttpEnv> {
  return new Hono<HttpEnv>()
    .post(WEBHOOK_PATH, async (c) => {
      const begun = c.env?.begun;
      if (begun) throw begun.failure;
      const { status, version } = await webhooks.receive({
        header: (name) => c.req.header(name),
        incoming: c.env?.incoming,
        arrayBuffer: () => c.req.arrayBuffer(),
      });
      if (version !== null) c.get("headers")["x-mirror-version"] = version;
      return respondJson(c, { status });
    })
    .all(WEBHOOK_PATH, () => {
      throw new AppError("method_not_allowed", "Webhooks are sent here by POST.");
    });
}
