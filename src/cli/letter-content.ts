import { isUtf8 } from "node:buffer";
import { hidePrivateMetadata } from "../lib/private-metadata.js";

/** What a dead letter holds, as a person may be shown it; `text` null: it isn't shown. */
export interface LetterContent {
  text: string | null;
  encoding: "utf8" | "base64" | null;
}

/**
 * With what is private, every byte, in base64 where they are no UTF-8. Without it, the JSON with `private_metadata` null
 * at every level; of what can't be read as JSON nobody can say where that stands, so nothing is shown.
 */
export function letterContent(payload: Buffer, { showPrivate }: { showPrivate: boolean }): LetterContent {
  const encoding = isUtf8(payload) ? "utf8" : "base64";
  if (showPrivate) return { text: payload.toString(encoding), encoding };
  const hidden = encoding === "utf8" ? withoutPrivate(payload.toString("utf8")) : null;
  return hidden === null ? { text: null, encoding: null } : { text: hidden, encoding };
}

/** Null: it isn't JSON, or nested so deep that it can't be walked. */
function withoutPrivate(text: string): string | null {
  try {
    return JSON.stringify(hidePrivateMetadata(JSON.parse(text)));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return null;
    throw error;
  }
}
