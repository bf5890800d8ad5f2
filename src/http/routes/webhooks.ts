import { Hono } from "hono";
import { AppError } from "../../lib/errors.js";
import type { Ingest } from "../../sync/webhooks/ingest.js";
import { createBytesInFlight, rawBody } from "../raw-body.js";
import { type HttpEnv, respondJson } from "../respond.js";
import { createSignatureReader } from "../webhook-signature.js";

const MAX_BODY_BYTES = 1024 * 1024;
/** Of all webhooks together, from the first byte until the answer; what is beyond it is sent again. */
const MOST_BYTES_IN_FLIGHT = 64 * 1024 * 1024;

export interface WebhookDeps {
  /** Several while one is being rotated; none: the route answers 503. */
  secrets: readonly string[];
  ingest: Ingest;
  mostBytesInFlight?: number;
}

/** Where Clerk sends its events. The signature is the key here. */
export function webhookRoutes(deps: WebhookDeps): Hono<HttpEnv> {
  const { secrets, ingest, mostBytesInFlight = MOST_BYTES_IN_FLIGHT } = deps;
  const inFlight = createBytesInFlight(mostBytesInFlight);
  const readSignature = createSignatureReader(secrets);

  return new Hono<HttpEnv>()
    .post("/webhooks/clerk", async (c) => {
      if (secrets.length === 0) {
        throw new AppError(
          "not_ready",
          "CLERK_WEBHOOK_SIGNING_SECRET is not set: this mirror takes no webhooks.",
        );
      }
      const { messageId, verify } = readSignature((name) => c.req.header(name));
      const held = inFlight.open();
      try {
        // The bytes as they came: a signature holds for them, not for the JSON that they spell.
        const raw = await rawBody(c, { maxBytes: MAX_BODY_BYTES, what: "a webhook", held });
        verify(raw);
        const { status, version } = await ingest.receive({ messageId, raw });
        if (version !== null) c.get("headers")["x-mirror-version"] = version;
        return respondJson(c, { status });
      } finally {
        held.release();
      }
    })
    .all("/webhooks/clerk", () => {
      throw new AppError("method_not_allowed", "Webhooks are sent here by POST.");
    });
}
