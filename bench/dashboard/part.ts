import { sampleIds } from "../http/requests.js";
import type { QueriesOptions } from "../queries/asking.js";
import { onServerOfItsOwn } from "../queries/part.js";
import { type Line, type Section, sectionOf } from "../report/table.js";
import { measureOpen } from "./open.js";
import { measurePages, PAGES_NOTE } from "./pages.js";
import { signIn } from "./visitor.js";

/** Measures the dashboard: how long its pages take, what a first visit transfers, and what open dashboards cost others. */
export async function measureDashboard(
  options: QueriesOptions & { seconds: number; connections: number },
): Promise<{ sections: Section[]; lines: Line[] }> {
  const ids = await sampleIds(options.sql);
  const pages = await onServerOfItsOwn(options, async (mirror) =>
    measurePages(mirror, await signIn(mirror), { ...options, userId: ids[0] ?? "" }),
  );
  const open = await onServerOfItsOwn(options, async (mirror) =>
    measureOpen(mirror, await signIn(mirror), { ...options, ids }),
  );
  const weight = `A first visit transfers ${(pages.bytes / 1000).toFixed(0)} kB, compressed, with everything (goal ≤ 100: ${pages.bytes <= 100_000 ? "met" : "not met"}).`;
  return {
    sections: [
      sectionOf("Pages of the dashboard", [PAGES_NOTE, weight], pages.lines),
      sectionOf("Ten dashboards open", [], [open]),
    ],
    lines: [...pages.lines, open],
  };
}
