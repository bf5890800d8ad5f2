import type { Availability } from "../../db/connection/availability.js";
import type { Asker } from "../../lib/shares.js";
import { Parameters } from "../parameters.js";
import { numberOf } from "../present.js";
import type { Run } from "../run.js";

/** What an answer from the history of activity depends on beside the users. */
export interface ActivityState {
  /** Since when days are kept; null: they aren't. */
  sinceMs: number | null;
  /** How many were ever marked. It grows with each of them, also where no change is told because the user is as before. */
  marked: number;
}

const STATE =
  "select (select activity_since from mirror_data.upstream), (select sum(active) from mirror_data.daily_users)";

export const createActivityState =
  (run: Run, guard: Availability["guard"]) =>
  async (asker: Asker): Promise<ActivityState> => {
    const statement = { text: STATE, params: new Parameters() };
    const [row] = await guard(() => run(statement, { how: "lookup", isCommon: false }, asker));
    return { sinceMs: numberOf(row?.[0]), marked: numberOf(row?.[1]) ?? 0 };
  };
