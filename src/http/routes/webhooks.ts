import { Hono } from "hono";
import { Webhook, WebhookVerificationError } from "svix";
import { AppError } from "../../lib/errors.js";
import { LARGE_BYTES, nextTurn } from "../../lib/turns.js";
import type { Ingest } from "../../sync/ingest.js";
import { rawBody } from "../raw-body.js";
import { type HttpEnv, respondJson } from "../respond.js";

const MAX_BODY_BYTES = 1024 * 1024;

export interface WebhookParts {
  /** Several while one is being rotated; none: the route answers 503. */
  secrets: readonly string[];
  ingest: Ingest;
}

/** Where Clerk sends its events. The signature is the key here. */
export function webhookRoutes({ secrets, ingest }: WebhookParts): Hono<HttpEnv> {
  const verifiers = secrets.map((secret) => new Webhook(secret));

  return new Hono<HttpEnv>()
    .post("/webhooks/clerk", async (c) => {
      if (verifiers.length === 0) {
        throw new AppError(
          "not_ready",
          "CLERK_WEBHOOK_SIGNING_SECRET is not set: this mirror takes no webhooks.",
        );
      }
      // The bytes as they came: a signature holds for them, not for the JSON that they spell.
      const raw = await rawBody(c, MAX_BODY_BYTES, "a webhook");
      if (raw.length > LARGE_BYTES) await nextTurn();
      const { messageId, json } = verified(verifiers, raw, (name) => c.req.header(name));
      const { status, version } = await ingest.receive({ messageId, raw, json });
      if (version !== null) c.get("headers")["x-mirror-version"] = version;
      return respondJson(c, { status });
    })
    .all("/webhooks/clerk", () => {
      throw new AppError("method_not_allowed", "Webhooks are sent here by POST.");
    });
}

/**
 * The id under which the sender repeats this message, and what it says: the library parses what it has verified. Throws
 * `bad_request` unless one of the secrets signed it.
 */
function verified(
  verifiers: readonly Webhook[],
  raw: Buffer,
  header: (name: string) => string | undefined,
): { messageId: string; json: unknown } {
  const messageId = header("svix-id") ?? header("webhook-id") ?? "";
  const headers = {
    "webhook-id": messageId,
    "webhook-timestamp": header("svix-timestamp") ?? header("webhook-timestamp") ?? "",
    "webhook-signature": header("svix-signature") ?? header("webhook-signature") ?? "",
  };
  const text = raw.toString("utf8");
  let failure: WebhookVerificationError | null = null;
  for (const verifier of verifiers) {
    try {
      return { messageId, json: verifier.verify(text, headers) };
    } catch (error) {
      // Signed, but not JSON: what becomes of it isn't decided here.
      if (error instanceof SyntaxError) return { messageId, json: undefined };
      if (!(error instanceof WebhookVerificationError)) throw error;
      failure ??= error;
    }
  }
  throw new AppError("bad_request", `The webhook can't be verified: ${failure?.message}.`, {
    clerkCode: "request_body_invalid",
  });
}
