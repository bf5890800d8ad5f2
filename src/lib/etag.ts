import { hash } from "node:crypto";

/** The ETag of exactly this body: each variant of a user that is served has its own. */
export function etagOf(body: Uint8Array): string {
  return `"${hash("sha1", body, "base64url")}"`;
}

/** Whether an `If-None-Match` header names this ETag. The comparison is weak, as HTTP demands for this header. */
export function isNamedBy(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.trim() === "*" || header.split(",").some((one) => one.trim().replace(/^W\//, "") === etag);
}
