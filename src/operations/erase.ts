import type { Sql } from "../db/connection/sql.js";
import { AppError, reasonOf } from "../lib/errors.js";
import { eraseUser } from "../sync/apply/erase.js";
import { CONTRADICTED } from "../sync/ledger/refetch-queue.js";
import type { Removed } from "../sync/ledger/traces.js";

/** How it is known that the user is gone: Clerk said so when it was asked now, or when it told the mirror of the deletion. */
export type GoneBy = "clerk" | "tombstone";

export interface Erasure {
  id: string;
  erased: true;
  gone_by: GoneBy;
  /** Rows by table; `active_days` counts days. */
  removed: Removed;
}

export interface EraseDeps {
  sql: Sql;
  nowMs: () => number;
  lagMs: number;
  /** Asks Clerk about one user. Null: there is no key to ask with. */
  askClerk: ((id: string) => Promise<{ kind: "live" | "gone" }>) | null;
}

/** As every id of Clerk's. */
const ID = /^[!-~]{1,200}$/;

/**
 * Erases a user whom Clerk doesn't have any more; repeating is safe. Throws `conflict` while Clerk has the user, and where nothing
 * proves that it hasn't: that takes Clerk's own answer or, where it can't be asked, the tombstone of a deletion that Clerk told of.
 */
export async function erase(deps: EraseDeps, id: string): Promise<Erasure> {
  if (!ID.test(id)) throw new AppError("usage", "That is no id of Clerk's: they look like user_2abc….");
  const goneBy = await howGone(deps, id);
  const removed = await eraseUser(deps.sql, id, { lagMs: deps.lagMs, nowMs: deps.nowMs() });
  return { id, erased: true, gone_by: goneBy, removed };
}

async function howGone({ sql, askClerk }: EraseDeps, id: string): Promise<GoneBy> {
  const unasked = askClerk
    ? await askClerk(id).then(
        ({ kind }) => {
          if (kind === "live") throw stillThere(id);
          return null;
        },
        (error) => {
          if (error instanceof AppError && error.code === "upstream_rejected") throw error;
          return `Clerk can't be asked about ${id} (${reasonOf(error)})`;
        },
      )
    : `Without CLERK_SECRET_KEY, Clerk can't be asked about ${id}`;
  if (unasked === null) return "clerk";
  const [known] = await sql<{ is_gone: boolean; is_doubted: boolean }[]>`
    select deleted_at is not null as is_gone, exists (
      select from mirror_data.refetches where kind = 'user' and id = ${id} and reason = ${CONTRADICTED}) as is_doubted
    from mirror_data.users where id = ${id}`;
  if (known?.is_gone && !known.is_doubted) return "tombstone";
  throw new AppError(
    "conflict",
    `${unasked}, and ${known ? (known.is_gone ? "the mirror has heard that they may be back" : "as far as the mirror knows they exist") : "the mirror has never heard of them"}.`,
    {
      longMessage: askClerk
        ? "Nothing was erased. Try again when Clerk answers."
        : "Nothing was erased. Delete the user at Clerk, and set CLERK_SECRET_KEY so that this command can ask.",
    },
  );
}

const stillThere = (id: string) =>
  new AppError("conflict", `Clerk still has ${id}.`, {
    longMessage:
      "Nothing was erased: Clerk's next message would bring everything back. Delete the user at Clerk first.",
  });
