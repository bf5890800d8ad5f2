import { Hono } from "hono";
import { AppError } from "../../lib/errors.js";
import type { Ingest } from "../../sync/webhooks/ingest.js";
import { createBytesInFlight, rawBody } from "../raw-body.js";
import { type HttpEnv, respondJson } from "../respond.js";
import { createSignatureReader } from "../webhook-signature.js";

const MAX_BODY_BYTES = 1024 * 1024;
/**
 * The bytes of all webhooks together, each from its first byte until its answer. What is beyond this is refused and
 * sent again.
 */
const MOST_BYTES_IN_FLIGHT = 64 * 1024 * 1024;

export interface WebhookDeps {
  /** Several while a secret is being rotated. Without any, the route answers 503. */
  secrets: readonly string[];
  ingest: Ingest;
  mostBytesInFlight?: number;
}

/** The route to which Clerk sends its events. The signature takes the place of a key. */
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
        // Reads the bytes as they came: a signature covers them, not the JSON that they spell.
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
