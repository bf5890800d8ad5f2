import { textArray } from "../../src/db/connection/bulk.js";
import type { LoadRequest } from "../http/load.js";
import type { Contestant } from "./contestants.js";

const SAMPLE = 200;

interface Row {
  id: string;
  name: string | null;
  at: number;
}

/**
 * Checks that users have what their events said, or something later, for a sample of the events of a load of which so many
 * were answered. Throws where one hasn't: a server that stores nothing is fast.
 */
export async function checkStored(
  contestant: Contestant,
  events: readonly LoadRequest[],
  answered: number,
): Promise<void> {
  // Not the first, which wrk may have made and not sent, nor the later half: the last of them may not have been answered.
  const half = events.slice(1, Math.floor(answered / 2));
  const step = Math.max(1, Math.floor(half.length / SAMPLE));
  const sent = half.filter((_, n) => n % step === 0).map(({ body = "" }) => sentBy(body));
  const { sql, text } = contestant.stored;
  const rows = await sql.unsafe<Row[]>(text, [textArray(sent.map(({ id }) => id))]);
  const stored = new Map(rows.map((row) => [row.id, row]));
  for (const event of sent) {
    const row = stored.get(event.id);
    const isThere =
      row && Number(row.at) >= event.at && (event.number === null || numberOf(row.name) >= event.number);
    if (!isThere) {
      throw new Error(
        `${contestant.name} answered an event with 200 and didn't store it: sent ${JSON.stringify(event)}, there is ${JSON.stringify(row ?? null)}`,
      );
    }
  }
}

/** Who an event is about, when it was made, and the number in the name that it gives; null: it gives no new one. */
function sentBy(body: string): { id: string; at: number; number: number | null } {
  const { created, data } = JSON.parse(body);
  const { id, name, first_name, updated_at } = typeof data.object === "object" ? data.object : data;
  const number = numberOf(name ?? first_name);
  return { id, at: updated_at ?? created * 1000, number: Number.isNaN(number) ? null : number };
}

const numberOf = (name: string | null) => Number(/^Name(\d+)[a-z]?$/.exec(name ?? "")?.[1] ?? Number.NaN);
