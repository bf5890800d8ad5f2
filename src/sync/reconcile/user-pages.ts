import type { Tx } from "../../db/connection/sql.js";
import type { Checkpoint } from "../ledger/windows.js";
import { applyPage } from "./apply-page.js";
import { type ClerkPage, idOf, type UserBounds, userPages } from "./clerk-pages.js";
import { applyOptionsOf, type RunContext } from "./run-context.js";

/** All pages of the users within these bounds, from a checkpoint on. Throws when the run is stopped. */
export async function* userPagesOf(
  { clerk, signal }: RunContext,
  bounds: UserBounds,
  start: Checkpoint,
): AsyncGenerator<ClerkPage> {
  if (start.done) return;
  for await (const page of userPages(clerk, bounds, start)) {
    signal.throwIfAborted();
    yield page;
  }
}

/** Applies one page of users when it is its turn, and notes what came of it. `within` commits with the page. */
export async function applyUserPage(
  run: RunContext,
  page: ClerkPage,
  within?: (tx: Tx) => Promise<void>,
): Promise<void> {
  const { sql, findings, onProgress } = run;
  const options = { ...applyOptionsOf(run), ...(within && { within }) };
  const effects = await run.applyGate(() => applyPage(sql, "users", page, options));
  if (run.kind.task !== "fill") findings.countMissed(effects);
  findings.sawUsers(page.items.length, idOf(page.items.at(-1)));
  await findings.save();
  onProgress({ phase: "users", done: findings.usersSeen, total: findings.usersExpected });
}
