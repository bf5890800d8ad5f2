import { send, type Tx } from "../../db/connection/sql.js";
import { bigint, encodeRows, nullable, smallint, text, unnestRows } from "./columns.js";
import type { StoredUser } from "./tables.js";

/** What a visit writes. */
const TOUCHED = {
  id: text,
  updated_at: bigint,
  observed_at: bigint,
  last_active_at: nullable(bigint),
  last_sign_in_at: nullable(bigint),
  source: smallint,
  private_order: nullable(text),
};

const names = Object.keys(TOUCHED).filter((name) => name !== "id");

/**
 * The times in both tables that have them. In `users` they stand side by side before the payload, so that Postgres logs them
 * alone: 0.1 KB a visit instead of 1.6.
 */
const STATEMENT = `
  with r as (select * from ${unnestRows(TOUCHED)} as r(id, ${names.join(", ")})),
    seen as (
      update mirror_data.users u set ${names.map((name) => `${name} = r.${name}`).join(", ")} from r where u.id = r.id)
  update mirror_data.user_activity a
  set updated_at = r.updated_at, last_active_at = r.last_active_at, last_sign_in_at = r.last_sign_in_at
  from r where a.id = r.id
    and (a.updated_at, a.last_active_at, a.last_sign_in_at)
      is distinct from (r.updated_at, r.last_active_at, r.last_sign_in_at)`;

/** Writes the rows of users of whom nothing but times has changed. The rows are locked by the caller. */
export const touchUsers = (tx: Tx, rows: readonly StoredUser[]): Promise<unknown> =>
  send(tx, STATEMENT, encodeRows(TOUCHED, rows));
