import { isUtf8 } from "node:buffer";
import { hidePrivateMetadata } from "./private-metadata.js";

/** The content of a dead letter, as a person may see it. Both are null when it may not be shown. */
export interface LetterContent {
  text: string | null;
  encoding: "utf8" | "base64" | null;
}

/**
 * With `showPrivate`: the payload as it is, in base64 when it isn't UTF-8. Without: its JSON, in which `private_metadata`
 * is null at every level. In a payload that isn't JSON the private part can't be found, so nothing of it is shown.
 */
export function letterContent(payload: Buffer, { showPrivate }: { showPrivate: boolean }): LetterContent {
  const encoding = isUtf8(payload) ? "utf8" : "base64";
  if (showPrivate) return { text: payload.toString(encoding), encoding };
  const hidden = encoding === "utf8" ? withoutPrivate(payload.toString("utf8")) : null;
  return hidden === null ? { text: null, encoding: null } : { text: hidden, encoding };
}

/** Null when the text isn't JSON, or is nested too deeply to go through. */
function withoutPrivate(text: string): string | null {
  try {
    return JSON.stringify(hidePrivateMetadata(JSON.parse(text)));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return null;
    throw error;
  }
}
