import { hash } from "node:crypto";

/** Names exactly this body: one for each variant of a user that is served. */
export function etagOf(body: Uint8Array): string {
  return `"${hash("sha1", body, "base64url")}"`;
}

/** Whether an `If-None-Match` names it; the comparison is weak, as the standard demands for this header. */
export function isNamedBy(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.trim() === "*" || header.split(",").some((one) => one.trim().replace(/^W\//, "") === etag);
}
