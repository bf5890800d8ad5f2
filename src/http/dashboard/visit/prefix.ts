/** Segments of letters, digits and what else paths have unescaped; no dots alone, and nothing that could begin another host. */
const PREFIX = /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+){1,16}$/;

/**
 * The path below which a proxy shows the mirror, from `X-Forwarded-Prefix`, without a slash at its end. Empty where there is none
 * and for anything that isn't a plain path.
 */
export function prefixOf(header: string | undefined): string {
  const path = header?.split(",")[0]?.trim().replace(/\/+$/, "") ?? "";
  return PREFIX.test(path) && path.length <= 256 ? path : "";
}
