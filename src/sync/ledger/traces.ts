import { textArray } from "../../db/connection/bulk.js";
import type { Tx } from "../../db/connection/sql.js";
import { deadObjectId, dropDeadLetters } from "./dead-letters.js";

/** What was removed of somebody, by table: rows, except where the name says otherwise. */
export type Removed = Record<string, number>;

/**
 * Removes what the ledger remembers of a user: deliveries, dead letters that name them, open questions, and mentions in
 * the reports of runs. The feed keeps a row at each of their positions, because readers' cursors stand on them, but it says no
 * more than that the user, or the membership, is gone. `memberships`: the ids of theirs.
 */
export async function removeTraces(tx: Tx, id: string, memberships: readonly string[]): Promise<Removed> {
  const theirs = textArray(memberships);
  const letters = await lettersNaming(tx, id, memberships);
  await dropDeadLetters(tx, letters);
  const deliveries = await tx`
    delete from mirror_data.deliveries
    where user_id = ${id} or message_id = any(${textArray(letters)}::text::text[])`;
  const refetches = await tx`
    delete from mirror_data.refetches
    where (kind = 'user' and id = ${id}) or (kind = 'membership' and split_part(id, '/', 2) = ${id})`;
  const changes = await tx`
    update mirror_data.changes set type = split_part(type, '.', 1) || '.deleted', version = 0
    where (type = 'user.upserted' and id = ${id})
      or (type = 'membership.upserted' and id = any(${theirs}::text::text[]))`;
  const runs = await tx`
    update mirror_data.runs
    set difference_ids = (
        select coalesce(jsonb_object_agg(key, value - ${id}::text), '{}') from jsonb_each(difference_ids)),
      error = regexp_replace(error, ${mentioned(id)}, 'an erased user', 'g')
    where jsonb_path_exists(difference_ids, '$.*[*] ? (@ == $id)', jsonb_build_object('id', ${id}::text))
      or error ~ ${mentioned(id)}`;
  // A walk that stood behind the user begins its window again.
  const windows = await tx`
    update mirror_data.windows set cursor_id = null, cursor_created_at = null where cursor_id = ${id}`;
  return {
    dead_letters: letters.length,
    deliveries: deliveries.count,
    refetches: refetches.count,
    changes: changes.count,
    runs: runs.count,
    windows: windows.count,
  };
}

/**
 * The letters that are about the user, by their columns or because their content has the id. A letter about an organization stays,
 * though it may name who created it: what else it holds is of others.
 */
async function lettersNaming(tx: Tx, id: string, memberships: readonly string[]): Promise<string[]> {
  const ids = [
    deadObjectId("user", id),
    ...memberships.flatMap((each) => [deadObjectId("membership", each), deadObjectId("user", each)]),
  ];
  const found = await tx<{ id: string }[]>`
    select id from mirror_data.dead_letters
    where user_id = ${id} or id = any(${textArray(ids)}::text::text[])
      or (coalesce(type, '') not like 'organization.%'
        and id not like 'walk:organization:%' and id not like 'walk:org\\_%'
        and position(convert_to(${JSON.stringify(id)}, 'UTF8') in decode(payload, 'base64')) > 0)
    order by id`;
  return found.map((letter) => letter.id);
}

/** A pattern for the id where it isn't the beginning or the end of another one. */
const mentioned = (id: string) => `(?<![[:alnum:]_])${id.replace(/[^\w]/g, "\\$&")}(?![[:alnum:]_])`;
