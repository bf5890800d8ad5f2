import { splitUser } from "../../src/lib/user-text.js";
import type { RawRow } from "../../src/query/present.js";

/** A user's row as a statement with `shownColumns` brings it. */
export function rowOf(
  user: Record<string, unknown>,
  memberships: unknown = null,
  lockedUntilMs?: number,
): RawRow {
  const { payload, privateMetadata, privatePlace } = splitUser(user, { timesApart: false });
  const bytes = (value: unknown) =>
    value === null || value === undefined ? null : Buffer.from(String(value));
  const shown = [payload, privateMetadata, privatePlace, lockedUntilMs, null, null, null, null];
  return [...shown.map(bytes), memberships === null ? null : Buffer.from(JSON.stringify(memberships))];
}
