/** A process that applies one shuffled history of 200 users: `apply-child <database url> <seed>`. */
import { connect } from "../../src/db/connection/client.js";
import { applyItems } from "../../src/sync/apply/apply.js";
import type { Item } from "../../src/sync/apply/batch.js";
import { gone, userSnapshot } from "../../src/sync/fold/snapshot.js";
import { clerkUser } from "./clerk-user.js";

const [url = "", seed = "1"] = process.argv.slice(2);

function history(n: number): Item[] {
  const id = `user_${String(n).padStart(4, "0")}x`;
  const versions = [1000, 2000, 3000].map(
    (updated_at): Item => ({
      users: [
        userSnapshot(clerkUser({ id, updated_at, first_name: `v${updated_at}` }), "webhook", updated_at),
      ],
    }),
  );
  return n % 2 === 0 ? versions : [...versions, { users: [gone(id, "webhook", 4000)] }];
}

/** Deterministic: the seed decides the order. */
function shuffled<T>(items: T[]): T[] {
  let state = Number(seed) * 7919;
  const next = () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
  return items
    .map((item) => [next(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

const stream = shuffled(Array.from({ length: 200 }, (_, n) => history(n)).flat());
/** Nobody here repeats what a busy machine makes wait. */
const OPTIONS = { lagMs: 60_000, lockTimeoutMs: 30_000 };
const database = connect({ url });
while (stream.length > 0) {
  // Three batches at once, as a busy server has them.
  await Promise.all([1, 2, 3].map(() => applyItems(database.primary.sql, stream.splice(0, 20), OPTIONS)));
}
await database.close();
