import type { Asker } from "../../lib/shares.js";
import { COLUMNS } from "../columns.js";
import { compileFilter } from "../compile.js";
import type { Condition } from "../condition.js";
import { EVERYBODY } from "../language/algebra.js";
import { Parameters } from "../parameters.js";
import { numberOf, type RawRow } from "../present.js";
import type { Run, Statement } from "../run.js";
import { fromOf, type Search, whereClause } from "../where.js";
import { isPossibleDay, MS_OF_DAY } from "./active-bits.js";
import type { Span } from "./buckets.js";
import { ACTIVE_DAY, type GroupedTime } from "./request.js";
import type { Spans } from "./spans.js";

/** A filter in SQL, for a statement that reads all who are kept. */
export function compiled(filter: Condition, search: Search) {
  const params = new Parameters();
  return { where: compileFilter(filter, params, { ...search, gather: true }), params };
}

/** Asks the database from when to when there are times. */
export function knownSpans(run: Run, filter: Condition, search: Search, asker: Asker): Spans {
  return {
    async ofAll(field) {
      const statement = spanStatement(EVERYBODY, field, search);
      return spanIn(await run(statement, { how: "lookup", isCommon: false }, asker));
    },
    async ofKept(field) {
      const statement = spanStatement(filter, field, search);
      return spanIn(await run(statement, { how: "as asked" }, asker));
    },
  };
}

function spanIn([row]: readonly RawRow[]): Span | null {
  const [fromMs, toMs] = [numberOf(row?.[0]), numberOf(row?.[1])];
  return fromMs === null || toMs === null ? null : { fromMs, toMs };
}

/** Days of activity are those of all users: there are no more of them than in one's life. */
function spanStatement(filter: Condition, field: GroupedTime, search: Search): Statement {
  const { where, params } = compiled(field === ACTIVE_DAY ? EVERYBODY : filter, search);
  if (field === ACTIVE_DAY) {
    const outermost = (direction: string) => `(select a.day from mirror_data.active_days a
      where ${isPossibleDay(search.nowMs)} and bit_count(a.bits) > 0 order by a.day ${direction} limit 1)`;
    const days = `${outermost("asc")} union all ${outermost("desc")}`;
    return { text: `select min(${MS_OF_DAY}), max(${MS_OF_DAY}) from (${days}) as a`, params };
  }
  const { sql, table } = COLUMNS[field];
  const text = `select min(${sql}), max(${sql}) from ${fromOf(where, [table], [sql]).from} ${whereClause(where.conditions)}`;
  return { text, params };
}
