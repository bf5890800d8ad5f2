import { textArray } from "../../db/connection/bulk.js";
import { send, type Tx } from "../../db/connection/sql.js";
import { CONTRADICTED, type Refetch } from "../ledger/refetch-queue.js";

/** Asks Clerk about contradicted tombstones, each at most once an hour. The rows are locked by the caller. */
export type AskAboutTombstones = (tx: Tx, rows: readonly { id: string }[]) => Promise<Refetch[]>;

/** `askedAt`: the column with the time of the last question. */
export function createTombstoneQuestions(
  kind: "user" | "organization",
  table: string,
  askedAt: string,
): AskAboutTombstones {
  const statement = `
    update mirror_data.${table} t set ${askedAt} = now_ms
    from (select (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms) as clock
    where t.id = any($1::text::text[]) and t.deleted_at is not null
      and (t.${askedAt} is null or t.${askedAt} <= now_ms - 3600000 or t.${askedAt} > now_ms)
    returning t.id`;
  return async (tx, rows) => {
    if (rows.length === 0) return [];
    const asked = await send<{ id: string }>(tx, statement, [textArray(rows.map(({ id }) => id))]);
    return asked.map(({ id }) => ({ kind, id, reason: CONTRADICTED }));
  };
}
