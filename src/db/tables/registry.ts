/**
 * The tables that grow, each with the column that its rows are looked up by. A table that is named here is analyzed,
 * vacuumed, emptied and, where it is derived, cleared of deleted users; the schema itself is in `users.ts`, `sync.ts` and `history.ts`.
 */

/** Follow from `users`; the column names the user. `sync/apply/users.ts` fills them, and `load-users.ts` where nobody is known. */
export const DERIVED_TABLES = {
  user_search: "id",
  user_grams: "id",
  user_names: "id",
  user_ids: "id",
  user_activity: "id",
  user_metadata: "id",
  user_identifiers: "user_id",
} as const;

export type DerivedTable = keyof typeof DERIVED_TABLES;

/** What Clerk said, and what follows from it. Only `sync/apply` writes them. */
export const FOLDED_TABLES = {
  users: "id",
  ...DERIVED_TABLES,
  organizations: "id",
  organization_memberships: "id",
} as const;

/** What the mirror remembers of its own work. */
const LEDGER_TABLES = {
  deliveries: "message_id",
  dead_letters: "id",
  refetches: "id",
  changes: "position",
  windows: "run_id",
  runs: "id",
} as const;

/** What users did and how many there were, by day. */
export const HISTORY_TABLES = { active_days: "chunk", daily_users: "day" } as const;

export const GROWING_TABLES: Readonly<Record<string, string>> = {
  ...FOLDED_TABLES,
  ...LEDGER_TABLES,
  ...HISTORY_TABLES,
};
