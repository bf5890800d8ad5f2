import { AppError } from "../lib/errors.js";
import type { Ingest, Receipt } from "../sync/webhooks/ingest.js";
import { BODY_BYTES } from "./body-limits.js";
import { type BodySource, createBytesInFlight, rawBody } from "./raw-body.js";
import { createSignatureReader } from "./webhook-signature.js";

/**
 * The bytes of all webhooks together, each from its first byte until its answer. What is beyond this is refused and
 * sent again.
 */
const MOST_BYTES_IN_FLIGHT = 64 * 1024 * 1024;

export interface WebhookDeps {
  /** Several while a secret is being rotated. Without any, every webhook is refused with `not_ready`. */
  secrets: readonly string[];
  ingest: Pick<Ingest, "receive">;
  /** Told of each webhook of which nothing was kept: `refused` for its own sake, or `failed`, so that it is sent again. */
  onRejected?: (outcome: "refused" | "failed") => void;
  mostBytesInFlight?: number;
}

/** What a webhook goes through on its way in: its signature, the limits of its size, and its commit. */
export interface WebhookReceiver {
  /** Resolves when the event is committed. Rejects with what the sender is told. The signature takes the place of a key. */
  receive(source: BodySource): Promise<Receipt>;
}

export function createWebhookReceiver(deps: WebhookDeps): WebhookReceiver {
  const { secrets, ingest, mostBytesInFlight = MOST_BYTES_IN_FLIGHT, onRejected = () => {} } = deps;
  const inFlight = createBytesInFlight(mostBytesInFlight);
  const readSignature = createSignatureReader(secrets);

  async function receive(source: BodySource): Promise<Receipt> {
    if (secrets.length === 0) {
      throw new AppError(
        "not_ready",
        "CLERK_WEBHOOK_SIGNING_SECRET is not set: this mirror takes no webhooks.",
      );
    }
    const { messageId, verify } = readSignature(source.header);
    const held = inFlight.open();
    try {
      // Reads the bytes as they came: a signature covers them, not the JSON that they spell.
      const raw = await rawBody(source, { maxBytes: BODY_BYTES.webhook, what: "a webhook", held });
      verify(raw);
      return await ingest.receive({ messageId, raw });
    } finally {
      held.release();
    }
  }

  return {
    async receive(source) {
      try {
        return await receive(source);
      } catch (error) {
        onRejected(isRefusal(error) ? "refused" : "failed");
        throw error;
      }
    },
  };
}

/** Sending it again won't help: it isn't Clerk's, or is too large. */
const isRefusal = (error: unknown) =>
  error instanceof AppError && /^(bad_request|invalid_payload|too_large|too_slow)$/.test(error.code);
