import type { Sql } from "../db/client.js";
import { deadUserId, findDeadLetter } from "./dead-letters.js";
import type { Ingest, WebhookStatus } from "./ingest.js";
import { queueRefetches } from "./refetches.js";

/** What became of a dead letter; `queued`: its user is asked of Clerk, and the letter goes with the answer. */
export type ReplayStatus = WebhookStatus | "queued";

export type Replay = (id: string) => Promise<ReplayStatus | null>;

/** Tries a dead letter again: a webhook as if it came now, a user of a walk by asking Clerk. Null: there is none. */
export function createReplay({ sql, ingest }: { sql: Sql; ingest: Ingest }): Replay {
  return async (id) => {
    const letter = await findDeadLetter(sql, id);
    if (!letter) return null;
    if (letter.userId === null || id !== deadUserId(letter.userId)) {
      return (await ingest.receive({ messageId: id, raw: letter.payload })).status;
    }
    await queueRefetches(sql, [{ kind: "user", id: letter.userId, reason: "replayed" }]);
    return "queued";
  };
}
