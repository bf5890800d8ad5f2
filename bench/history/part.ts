import type { QueriesOptions } from "../queries/asking.js";
import { CASES_NOTE, measureCases } from "../queries/measure-cases.js";
import { onServerOfItsOwn } from "../queries/part.js";
import { type Line, type Section, sectionOf } from "../report/table.js";
import { activityCases } from "./cases.js";
import { DAYS, makeDays } from "./days.js";
import { measureMarking } from "./marking.js";

/** Measures the history of activity: half a year, of which a tenth of all users were active each day. */
export async function measureHistory(
  options: QueriesOptions,
): Promise<{ sections: Section[]; lines: Line[] }> {
  const { sql, say } = options;
  await makeDays(sql, say);
  const { notes, lines } = await measureMarking(sql, say);
  const cases = await onServerOfItsOwn(options, (mirror) => measureCases(mirror, activityCases(), options));
  return {
    sections: [
      sectionOf(`The days of activity, ${DAYS} of them`, notes, lines),
      sectionOf("What people ask about activity", [CASES_NOTE], cases),
    ],
    lines: [...lines, ...cases],
  };
}
