import { cursorOf } from "../changes/cursor.js";
import { type FeedRow, kindOf } from "../changes/pages.js";
import type { CurrentObjects } from "../query/current-objects.js";
import type { View } from "../query/present.js";

/** How a reader of the feed is shown objects. Null: not at all. */
export type Showing = { objects: CurrentObjects; view: View } | null;

/** So many are in memory at a time for each reader: a single user may have a mebibyte. */
const OBJECTS_AT_ONCE = 32;
const ROWS_AT_ONCE = 500;
const NULL = Buffer.from("null");

/** The rows in parts that are small enough to be sent as one. */
export function partsOf(rows: readonly FeedRow[], showing: Showing): FeedRow[][] {
  const atOnce = showing ? OBJECTS_AT_ONCE : ROWS_AT_ONCE;
  return Array.from({ length: Math.ceil(rows.length / atOnce) }, (_, n) =>
    rows.slice(n * atOnce, (n + 1) * atOnce),
  );
}

/** Each change as JSON text, with the object as it is now, or null behind a deletion. */
export async function changeTexts(rows: readonly FeedRow[], showing: Showing): Promise<Buffer[]> {
  const texts = rows.map((row) => {
    const { type, id, updatedAtMs: version, atMs: at } = row;
    return Buffer.from(JSON.stringify({ cursor: cursorOf(row), type, id, version, at }));
  });
  if (!showing) return texts;
  const { objects, view } = showing;
  const upserted = rows.filter(({ type }) => type.endsWith(".upserted"));
  const found = await objects.read(
    upserted.map((row) => ({ kind: kindOf(row), id: row.id })),
    view,
  );
  const byRow = new Map(upserted.map((row, n) => [row, found[n]]));
  return rows.map((row, n) => withObject(texts[n] as Buffer, byRow.get(row) ?? NULL));
}

const withObject = (text: Buffer, object: Buffer) =>
  Buffer.concat([text.subarray(0, -1), Buffer.from(',"object":'), object, Buffer.from("}")]);
