import { randomUUID } from "node:crypto";

/**
 * An object's JSON text apart from its top-level `private_metadata`, and where that stood, in bytes of UTF-8: serving it
 * with or without is then a splice, not a parse. `privateAt` null: the object had no such member.
 */
export interface SplitPayload {
  payload: string;
  privateMetadata: string | null;
  privateAt: number | null;
}

/** Stands where private metadata stood. Nobody outside knows it, so that no user can have written it anywhere. */
const MARK = randomUUID();
const MARKED = `"private_metadata":"${MARK}"`;

/**
 * Key order is kept. The object comes from JSON, and must have at least one other member, which `id` always is. Printed
 * once and cut where the mark stands: printing member by member takes half as long again, and leaves more garbage.
 */
export function splitPrivateMetadata(object: Record<string, unknown>): SplitPayload {
  if (object.private_metadata === undefined) {
    return { payload: JSON.stringify(object), privateMetadata: null, privateAt: null };
  }
  const privateMetadata = JSON.stringify(object.private_metadata);
  const text = JSON.stringify({ ...object, private_metadata: MARK });
  const at = text.indexOf(MARKED);
  const end = at + MARKED.length;
  // One of the commas around it goes with it.
  const before = text.slice(0, at === 1 ? 1 : at - 1);
  const after = text.slice(at === 1 ? end + 1 : end);
  return { payload: before + after, privateMetadata, privateAt: Buffer.byteLength(before) };
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
