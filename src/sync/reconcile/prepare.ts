import { userCount } from "../../changes/counters.js";
import { fenced } from "../ledger/lease.js";
import { saveCounted } from "../ledger/proof.js";
import { EVERYBODY } from "../ledger/windows.js";
import { countWithin, keepsToBounds } from "./bounds.js";
import { updatedAtOf } from "./clerk-pages.js";
import { refuseWrongInstance } from "./guards.js";
import type { RunWork } from "./run-context.js";

/** What every walk of everything begins with. */
export async function prepare(work: RunWork): Promise<void> {
  const { sql, api, call, clock, fence, tally } = work;
  await refuseWrongInstance(sql, api, call);
  await keepsToBounds(work, { again: true });
  const theirs = await countWithin(work, EVERYBODY);
  const ours = await userCount(sql);
  await fenced(sql, fence, (tx) => saveCounted(tx, { theirs, ours }, clock.now()));
  tally.expected = theirs;
  await tally.save();
}

/** The newest `updated_at` that Clerk shows; 0 where there is nobody. */
export async function newestUpdate({ api, call }: RunWork): Promise<number> {
  const { items } = await api.listUsers({ limit: 1, orderBy: "-updated_at" }, call);
  return updatedAtOf(items[0]) ?? 0;
}
