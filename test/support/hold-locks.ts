import { connect } from "../../src/db/connection/client.js";
import type { Tx } from "../../src/db/connection/sql.js";

/** A session of somebody else that holds what `take` takes until it is let go, idle for as long as it likes. Repeatable. */
export async function holdLocks(
  url: string,
  take: (tx: Tx) => Promise<unknown>,
): Promise<() => Promise<void>> {
  const other = connect({ url, poolMax: 2 });
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let ended: Promise<unknown> = Promise.resolve();
  await new Promise<void>((taken, failed) => {
    ended = other.primary.sql
      .begin(async (tx) => {
        await tx`select set_config('idle_in_transaction_session_timeout', '0', true)`;
        await take(tx);
        taken();
        await held;
      })
      .catch(failed);
  });
  return async () => {
    letGo();
    await ended;
    await other.close();
  };
}
