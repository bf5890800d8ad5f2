import { type Change, publish } from "../../changes/feed.js";
import { countDay, noDayChanges } from "../../changes/history.js";
import type { ClerkUser } from "../../clerk.js";
import { limitLocks } from "../../db/connection/session.js";
import type { Sql } from "../../db/connection/sql.js";
import { isLockTimeout } from "../../db/connection/trouble.js";
import type { DerivedTable } from "../../db/tables/registry.js";
import { createGate } from "../../lib/async.js";
import { rareGramsInParts } from "../../lib/grams.js";
import { createPause } from "../../lib/turns.js";
import { activeDaysOf } from "../fold/active-days.js";
import { fold, UNKNOWN, USER } from "../fold/fold.js";
import type { Live } from "../fold/snapshot.js";
import type { ApplyOptions } from "./batch.js";
import { createCopiedRows } from "./copied-rows.js";
import { activityRow, derivedRows } from "./derive.js";
import { numbersFor } from "./history.js";
import { isPoison } from "./isolate.js";
import { userRow } from "./rows.js";
import { activity, grams, identifiers, metadata, search, users } from "./tables.js";

/** A page that has to wait for longer goes the ordinary way, which tells apart what is locked. */
const LOCK_TIMEOUT_MS = 500;
/** A page sends some fifteen statements, each when the one before is answered, and notices an answer behind another page's part. */
const PART_MS = 2;
/** One page is prepared at a time, so that Postgres stores one while the next is prepared. Side by side they would also be ready side by side. */
const preparing = createGate(1);

/**
 * Stores users of a page of whom the mirror has no row, as far as a look without a lock can tell, each of them once. What
 * the fold makes of them is what the ordinary way stores (`apply.ts`), but the rows go by COPY and are compared with
 * nothing. It writes over nothing: where anybody has a row already, a tombstone too, or any row can't be stored, nothing at
 * all is. It is then false, and the ordinary way decides.
 */
export async function loadUsers(
  sql: Sql,
  snapshots: readonly Live<ClerkUser>[],
  { lagMs, fence, within }: Pick<ApplyOptions, "lagMs" | "fence" | "within">,
): Promise<boolean> {
  try {
    const numbers = await numbersFor(sql, snapshots, ({ object }) => object.created_at);
    const { tables, changes, days } = await preparing(() => rowsOf(numbers, lagMs));
    await sql.begin(async (tx) => {
      limitLocks(tx, LOCK_TIMEOUT_MS);
      await fence?.(tx);
      await within?.(tx);
      for (const table of tables) await table.send(tx);
      await publish(tx, changes, { users: changes.length, organizations: 0, memberships: 0 }, days);
    });
    return true;
  } catch (error) {
    if (isPoison(error) || isLockTimeout(error)) return false;
    throw error;
  }
}

async function rowsOf(numbers: ReadonlyMap<Live<ClerkUser>, number>, lagMs: number) {
  const rows = {
    users: createCopiedRows(users),
    user_search: createCopiedRows(search),
    user_grams: createCopiedRows(grams),
    user_activity: createCopiedRows(activity),
    user_metadata: createCopiedRows(metadata),
    user_identifiers: createCopiedRows(identifiers),
    // Triggers fill the others.
  } satisfies Record<"users" | Exclude<DerivedTable, "user_ids" | "user_names">, unknown>;
  const changes: Change[] = [];
  const days = noDayChanges();
  const pause = createPause(PART_MS);
  // In the order in which everybody locks.
  for (const [snapshot, number] of [...numbers].sort(([a], [b]) => (a.id < b.id ? -1 : 1))) {
    const { state } = fold(USER, UNKNOWN, snapshot, lagMs);
    const { row, user } = userRow(snapshot.id, state, { number, created_day: null });
    if (!user) continue;
    await pause();
    const derived = derivedRows(user);
    await pause();
    const rare = await rareGramsInParts(derived.search.search, pause);
    rows.users.add(row);
    rows.user_search.add(derived.search);
    rows.user_grams.add({ id: row.id, rare_grams: rare.join("\n") });
    rows.user_activity.add(activityRow(row, user));
    rows.user_metadata.add(derived.metadata);
    for (const identifier of derived.identifiers) rows.user_identifiers.add(identifier);
    changes.push({ type: "user.upserted", id: row.id, updatedAtMs: row.updated_at });
    countDay(days, "created", null, row.created_day);
    for (const day of new Set(activeDaysOf(snapshot))) days.active.push({ number, day });
    await pause();
  }
  return { tables: Object.values(rows), changes, days };
}
