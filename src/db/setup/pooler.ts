import { randomBytes } from "node:crypto";
import type postgresType from "postgres";
import { sleep } from "../../lib/async.js";
import { AppError } from "../../lib/errors.js";

/** Back within milliseconds where anything listens; only a refusal takes this long. */
const PATIENCE_MS = 5000;
const REPEAT_MS = 250;

/**
 * Throws `configuration` when `sql` leads through a transaction pooler (PgBouncer's `pool_mode = transaction`): behind
 * one a session's LISTEN, advisory locks and prepared statements are somebody else's a moment later. It is known by our
 * own NOTIFY, which doesn't come back.
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
