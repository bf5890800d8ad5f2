/**
 * An object's JSON text apart from its top-level `private_metadata`, and where that stood, in bytes of UTF-8: serving it
 * with or without is then a splice, not a parse. `privateAt` null: the object had no such member.
 */
export interface SplitPayload {
  payload: string;
  privateMetadata: string | null;
  privateAt: number | null;
}

/**
 * Key order is kept. The object comes from JSON, and must have at least one other member, which `id` always is. Member by
 * member: taking the object apart and printing its halves takes four times as long.
 */
export function splitPrivateMetadata(object: Record<string, unknown>): SplitPayload {
  let payload = "{";
  let privateMetadata: string | null = null;
  let privateAt: number | null = null;
  for (const key of Object.keys(object)) {
    const value = JSON.stringify(object[key]);
    if (key === "private_metadata") {
      privateMetadata = value;
      privateAt = Buffer.byteLength(payload);
    } else {
      payload += `${payload.length === 1 ? "" : ","}${JSON.stringify(key)}:${value}`;
    }
  }
  return { payload: `${payload}}`, privateMetadata, privateAt };
}

/** The object's JSON again, in pieces to be joined; `privateMetadata` is the JSON to show, `null` for those who may not read it. */
export function splicePrivateMetadata(
  payload: Buffer,
  privateAt: number | null,
  privateMetadata: Buffer,
): Buffer[] {
  if (privateAt === null) return [payload];
  const [before, after] = privateAt === 1 ? [MEMBER, COMMA] : [COMMA_MEMBER, NOTHING];
  return [payload.subarray(0, privateAt), before, privateMetadata, after, payload.subarray(privateAt)];
}

const MEMBER = Buffer.from('"private_metadata":');
const COMMA_MEMBER = Buffer.from(',"private_metadata":');
const COMMA = Buffer.from(",");
const NOTHING = Buffer.alloc(0);

/** A parsed answer with every `private_metadata`, at whatever depth, replaced by null. */
export function hidePrivateMetadata(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(hidePrivateMetadata);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === "private_metadata" ? null : hideBelow(key, inner),
    ]),
  );
}

/** Metadata that everyone may read is the user's own: a key in it that happens to be called so is not ours to hide. */
function hideBelow(key: string, value: unknown): unknown {
  return key === "public_metadata" || key === "unsafe_metadata" ? value : hidePrivateMetadata(value);
}
