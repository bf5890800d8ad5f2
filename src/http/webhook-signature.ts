import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import { AppError } from "../lib/errors.js";

/** Reads a header by its name in lower case. */
export type ReadHeader = (name: string) => string | undefined;

/** What the headers of a webhook claim, and the means to verify it. */
export interface SignedMessage {
  /** The id under which the sender repeats this message. */
  messageId: string;
  /** Throws `bad_request` unless one of the secrets signed these bytes. */
  verify(raw: Buffer): void;
}

/**
 * Reads the headers that sign a webhook: `svix-*` or `webhook-*`. Throws `bad_request` for headers that no body could
 * make valid, so that no time is wasted on reading or hashing one.
 */
export type ReadSignature = (header: ReadHeader) => SignedMessage;

/** Svix's own tolerance. */
const TOLERANCE_SECONDS = 300;
/** Svix signs with a secret and the one before it. Comparing a signature is cheap, but not free. */
const MOST_SIGNATURES = 100;
/** Svix's ids have 31 characters. A longer id than this couldn't be the key of a delivery. */
const LONGEST_ID = 500;
/** The length of an HMAC-SHA256 in base64. */
const SIGNATURE_LENGTH = 44;

/**
 * Judges as Svix's library does, which tests compare it with, except that a timestamp must consist of digits. The
 * library's HMAC is written in JavaScript and copies the body into a text for each secret: that takes 38 ms for 1
 * MiB, in which nobody else is served. Node's own HMAC takes a twentieth of that.
 */
export function createSignatureReader(secrets: readonly string[]): ReadSignature {
  const keys = secrets.map((secret) => createSecretKey(secret.replace(/^whsec_/, ""), "base64"));

  return (header) => {
    const messageId = header("svix-id") ?? header("webhook-id") ?? "";
    const timestamp = header("svix-timestamp") ?? header("webhook-timestamp") ?? "";
    const signature = header("svix-signature") ?? header("webhook-signature") ?? "";
    if (!messageId || !timestamp || !signature) throw unverified("Missing required headers");
    if (messageId.length > LONGEST_ID) throw unverified("The message id is too long");
    const seconds = secondsOf(timestamp);
    const claimed = signaturesOf(signature);
    if (claimed.length === 0) throw unverified("No matching signature found");

    return {
      messageId,
      verify(raw) {
        for (const key of keys) {
          const hmac = createHmac("sha256", key).update(`${messageId}.${seconds}.`).update(raw);
          const expected = Buffer.from(hmac.digest("base64"));
          if (claimed.some((one) => timingSafeEqual(one, expected))) return;
        }
        throw unverified("No matching signature found");
      },
    };
  };
}

function secondsOf(timestamp: string): number {
  if (!/^\d+$/.test(timestamp)) throw unverified("Invalid Signature Headers");
  const seconds = Number(timestamp);
  const now = Math.floor(Date.now() / 1000);
  if (now - seconds > TOLERANCE_SECONDS) throw unverified("Message timestamp too old");
  if (seconds > now + TOLERANCE_SECONDS) throw unverified("Message timestamp too new");
  return seconds;
}

/** The signatures of version 1 that could match: `v1,<base64>`, separated by spaces. */
function signaturesOf(header: string): Buffer[] {
  const all = header.split(" ", MOST_SIGNATURES + 1);
  if (all.length > MOST_SIGNATURES) throw unverified("Too many signatures");
  return all.flatMap((one) => {
    const [version, signature] = one.split(",", 2);
    const bytes = Buffer.from(version === "v1" ? (signature ?? "") : "");
    return bytes.length === SIGNATURE_LENGTH ? [bytes] : [];
  });
}

const unverified = (reason: string) =>
  new AppError("bad_request", `The webhook can't be verified: ${reason}.`, {
    clerkCode: "request_body_invalid",
  });
