import { userCount } from "../../changes/counters.js";
import { fenced } from "../ledger/lease.js";
import { saveCounted } from "../ledger/proof.js";
import { EVERYBODY } from "../ledger/windows.js";
import { countWithin, keepsToBounds } from "./bounds.js";
import { updatedAtOf } from "./clerk-pages.js";
import { refuseWrongInstance } from "./guards.js";
import type { RunContext } from "./run-context.js";

/** What every run that reads everybody begins with: it makes sure of Clerk, and counts the users on both sides. */
export async function prepare(run: RunContext): Promise<void> {
  const { sql, clerk, clock, fence, findings } = run;
  await refuseWrongInstance(sql, clerk);
  await keepsToBounds(run, { again: true });
  const theirs = await countWithin(run, EVERYBODY);
  const ours = await userCount(sql);
  await fenced(sql, fence, (tx) => saveCounted(tx, { theirs, ours }, clock.now()));
  findings.expectUsers(theirs);
  await findings.save();
}

/** The newest `updated_at` that Clerk shows; 0 where there is nobody. */
export async function newestUpdate({ clerk }: RunContext): Promise<number> {
  const { items } = await clerk.listUsers({ limit: 1, orderBy: "-updated_at" });
  return updatedAtOf(items[0]) ?? 0;
}
