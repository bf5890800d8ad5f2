import { Hono } from "hono";
import { AppError } from "../../lib/errors.js";
import { type HttpEnv, respondJson } from "../respond.js";
import type { WebhookReceiver } from "../webhook-receiver.js";

const PATH = "/webhooks/clerk";

/** The route to which Clerk sends its events. */
export function webhookRoutes(webhooks: WebhookReceiver): Hono<HttpEnv> {
  return new Hono<HttpEnv>()
    .post(PATH, async (c) => {
      const { status, version } = await webhooks.receive({
        header: (name) => c.req.header(name),
        incoming: c.env?.incoming,
        arrayBuffer: () => c.req.arrayBuffer(),
      });
      if (version !== null) c.get("headers")["x-mirror-version"] = version;
      return respondJson(c, { status });
    })
    .all(PATH, () => {
      throw new AppError("method_not_allowed", "Webhooks are sent here by POST.");
    });
}
