import { membersOf, textArray } from "../../db/connection/bulk.js";
import { send, type Tx } from "../../db/connection/sql.js";

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
  const once = new Map<string, Delivery>();
  for (const delivery of deliveries) once.set(delivery.messageId, delivery);
  // Sorted, like every lock here, so that two batches that share messages wait for each other instead of deadlocking.
  const rows = [...once.values()].sort(byMessageId);
  if (rows.length === 0) return new Set();
  const seenFirst = new Set(idsOf(await send(tx, CLAIM, encoded(rows))));
  if (seenFirst.size === rows.length) return seenFirst;
  const seenBefore = rows.filter(({ messageId }) => !seenFirst.has(messageId));
  // All new rows are inserted before any that was there is locked, both in order.
  const again = idsOf(await send(tx, CLAIM_AGAIN, encoded(seenBefore)));
  if (again.length > 0) {
    const applied = seenBefore.filter((r) => r.outcome !== "dead_lettered" && again.includes(r.messageId));
    await tx`
      delete from mirror_data.dead_letters
      where id = any(${textArray(applied.map((r) => r.messageId))}::text::text[])`;
  }
  return new Set([...seenFirst, ...again]);
}

const byMessageId = (a: Delivery, b: Delivery) => (a.messageId < b.messageId ? -1 : 1);

const encoded = (rows: readonly Delivery[]) => [
  textArray(membersOf(rows, "messageId")),
  textArray(membersOf(rows, "type")),
  textArray(membersOf(rows, "userId")),
  textArray(membersOf(rows, "outcome")),
];

const BATCH = `
  unnest($1::text::text[], $2::text::text[], $3::text::text[], $4::text::text[])
    with ordinality as r(message_id, type, user_id, outcome, position)`;

/**
 * It changes no row that is there, so that the triggers which count rows run once: an insert that may update counts as an update
 * too, even of nothing.
 */
const CLAIM = `
  insert into mirror_data.deliveries (message_id, type, user_id, received_at, outcome)
  select r.message_id, r.type, r.user_id, extract(epoch from clock_timestamp()) * 1000, r.outcome
  from ${BATCH}
  order by r.position
  on conflict (message_id) do nothing
  returning message_id`;

/** For messages that were there: those that ended as dead letters. */
const CLAIM_AGAIN = `
  with seen as materialized (
    select message_id from mirror_data.deliveries
    where message_id = any($1::text::text[]) and outcome = 'dead_lettered'
    order by message_id for update)
  update mirror_data.deliveries d
  set outcome = r.outcome, received_at = extract(epoch from clock_timestamp()) * 1000
  from ${BATCH} join seen using (message_id)
  where d.message_id = r.message_id
  returning d.message_id`;

const idsOf = (rows: readonly { message_id: string }[]) => membersOf(rows, "message_id");

/** Corrects the outcome of messages that turned out to say nothing new. */
export async function markStale(tx: Tx, messageIds: readonly string[]): Promise<unknown> {
  if (messageIds.length === 0) return;
  return tx`
    update mirror_data.deliveries set outcome = 'stale'
    where message_id = any(${textArray(messageIds)}::text::text[])`.execute();
}
