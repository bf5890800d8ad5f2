import { randomBytes } from "node:crypto";
import type postgresType from "postgres";
import { sleep } from "../../lib/async.js";
import { AppError } from "../../lib/errors.js";

/** If anything listens, the notification is back within milliseconds. Only a pooler takes this long. */
const PATIENCE_MS = 5000;
const REPEAT_MS = 250;

/**
 * Throws `configuration` if `sql` leads through a transaction pooler (PgBouncer's `pool_mode = transaction`). Behind
 * one, a session's LISTEN, advisory locks and prepared statements belong to somebody else a moment later. The sign is
 * that our own NOTIFY doesn't come back.
 */
export async function refuseTransactionPooler(sql: postgresType.Sql): Promise<void> {
  const channel = `user_mirror_probe_${randomBytes(8).toString("hex")}`;
  const heard = new AbortController();
  // It has a connection of its own, which ends with `sql`.
  await sql.listen(channel, () => heard.abort());
  for (let waitedMs = 0; !heard.signal.aborted; waitedMs += REPEAT_MS) {
    if (waitedMs >= PATIENCE_MS) throw new AppError("configuration", REFUSAL);
    await sql.unsafe(`notify ${channel}`);
    await sleep(REPEAT_MS, heard.signal).catch(() => {});
  }
}

const REFUSAL =
  "DATABASE_URL leads through a transaction pooler: a NOTIFY of our own didn't come back, so LISTEN, advisory locks and " +
  "prepared statements can't work. Use the server's direct address, or a pool in session mode.";
