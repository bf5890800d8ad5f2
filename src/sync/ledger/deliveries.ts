import { textArray } from "../../db/connection/bulk.js";
import type { Tx } from "../../db/connection/sql.js";

export type Outcome = "applied" | "stale" | "ignored" | "dead_lettered";

/** One webhook message, kept to recognise repeats and for audit. */
export interface Delivery {
  messageId: string;
  type: string | null;
  userId: string | null;
  outcome: Outcome;
}

/**
 * Records deliveries in the transaction that applies them, and returns the ids that are seen for the first time. A
 * concurrent duplicate waits here for the other's commit. A message that ended as a dead letter doesn't count as
 * seen, and its letter is removed.
 */
export async function claimDeliveries(tx: Tx, deliveries: readonly Delivery[]): Promise<Set<string>> {
  const once = new Map(deliveries.map((delivery) => [delivery.messageId, delivery]));
  // Sorted, like every lock here, so that two batches that share messages wait for each other instead of deadlocking.
  const rows = [...once.values()].sort((a, b) => (a.messageId < b.messageId ? -1 : 1));
  if (rows.length === 0) return new Set();
  const claimed = await tx<{ message_id: string; again: boolean }[]>`
    insert into mirror_data.deliveries as d (message_id, type, user_id, received_at, outcome)
    select r.message_id, r.type, r.user_id, extract(epoch from clock_timestamp()) * 1000, r.outcome
    from unnest(
      ${textArray(rows.map((r) => r.messageId))}::text::text[],
      ${textArray(rows.map((r) => r.type))}::text::text[],
      ${textArray(rows.map((r) => r.userId))}::text::text[],
      ${textArray(rows.map((r) => r.outcome))}::text::text[]
    ) with ordinality as r(message_id, type, user_id, outcome, position)
    order by r.position
    on conflict (message_id) do update
      set outcome = excluded.outcome, received_at = excluded.received_at
      where d.outcome = 'dead_lettered'
    returning message_id, xmax <> 0 as again`;
  const again = claimed.flatMap((row) => (row.again ? [row.message_id] : []));
  if (again.length > 0) {
    const applied = rows.filter((r) => r.outcome !== "dead_lettered" && again.includes(r.messageId));
    await tx`
      delete from mirror_data.dead_letters
      where id = any(${textArray(applied.map((r) => r.messageId))}::text::text[])`;
  }
  return new Set(claimed.map((row) => row.message_id));
}

/** Corrects the outcome of messages that turned out to say nothing new. */
export async function markStale(tx: Tx, messageIds: readonly string[]): Promise<unknown> {
  if (messageIds.length === 0) return;
  return tx`
    update mirror_data.deliveries set outcome = 'stale'
    where message_id = any(${textArray(messageIds)}::text::text[])`.execute();
}
