import type { Sql } from "../../db/connection/sql.js";
import { type DeadLetter, deadObjectOf, findDeadLetter } from "../ledger/dead-letters.js";
import { queueRefetches, type RefetchKind } from "../ledger/refetch-queue.js";
import { membershipKey } from "./events.js";
import type { Ingest, WebhookStatus } from "./ingest.js";

/** What became of a dead letter. `queued`: Clerk will be asked about its object, and the answer removes the letter. */
export type ReplayStatus = WebhookStatus | "queued";

export type Replay = (id: string) => Promise<ReplayStatus | null>;

/**
 * Tries a dead letter again. A webhook is handled as if it arrived now; for an answer from Clerk, Clerk is asked anew. Null:
 * there is no such letter.
 */
export function createReplay({ sql, ingest }: { sql: Sql; ingest: Pick<Ingest, "receive"> }): Replay {
  return async (id) => {
    const letter = await findDeadLetter(sql, id);
    if (!letter) return null;
    if (!deadObjectOf(id)) return (await ingest.receive({ messageId: id, raw: letter.payload })).status;
    const question = await questionOf(sql, letter);
    // The membership has no ids, so that Clerk can't be asked for it. The letter stays.
    if (!question) return "dead_lettered";
    await queueRefetches(sql, [{ ...question, reason: "replayed" }]);
    return "queued";
  };
}

async function questionOf(sql: Sql, letter: DeadLetter): Promise<{ kind: RefetchKind; id: string } | null> {
  const named = deadObjectOf(letter.id);
  if (!named) return null;
  // An answer from Clerk says which kind of object it is, even where ids have other prefixes than Clerk's.
  const answered = objectIn(letter.payload);
  const kind =
    answered?.object === "organization"
      ? "organization"
      : answered?.object === "organization_membership"
        ? "membership"
        : named.kind;
  if (kind !== "membership") return { kind, id: named.id };
  const key = membershipKey(answered);
  if (key) return { kind, id: key };
  const [row] = await sql<{ organization_id: string; user_id: string }[]>`
    select organization_id, user_id from mirror_data.organization_memberships
    where id = ${named.id} and organization_id is not null`;
  return row ? { kind, id: `${row.organization_id}/${row.user_id}` } : null;
}

function objectIn(payload: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(payload.toString("utf8"));
    return value !== null && typeof value === "object" ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
