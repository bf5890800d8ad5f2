import type { Bounds, Window } from "../ledger/windows.js";
import { applyPage } from "./apply-page.js";
import { idOf, type WalkedPage, walkUsers } from "./clerk-pages.js";
import type { RunWork } from "./run-context.js";

export async function* pagesOf(
  work: RunWork,
  bounds: Bounds,
  start: Window["checkpoint"],
): AsyncGenerator<WalkedPage> {
  const { api, call, signal } = work;
  if (start.done) return;
  for await (const page of walkUsers(api, bounds, start, call)) {
    signal.throwIfAborted();
    yield page;
  }
}

export async function applyWalked(
  work: RunWork,
  page: WalkedPage,
  within?: Parameters<typeof applyPage>[3]["within"],
): Promise<void> {
  const { sql, lagMs, fence, dryRun, signal, tally, onProgress } = work;
  const options = { lagMs, fence, dryRun, signal, ...(within && { within }) };
  const effects = await work.applyGate(() => applyPage(sql, "users", page, options));
  if (work.mode !== "backfill") tally.count(effects);
  work.witness = idOf(page.items.at(-1)) ?? work.witness;
  tally.seen += page.items.length;
  await tally.save();
  onProgress({ phase: "users", done: tally.seen, total: tally.expected });
}
