/** A column of `user_search s` or `user_activity a`: the narrow tables by which users are filtered and ordered. */
export interface Column {
  sql: string;
  table: "search" | "activity";
  nullable: boolean;
}

export const COLUMNS = {
  id: { sql: "s.id", table: "search", nullable: false },
  external_id: { sql: "s.external_id", table: "search", nullable: true },
  banned: { sql: "s.banned", table: "search", nullable: false },
  created_at: { sql: "s.created_at", table: "search", nullable: false },
  username: { sql: "s.username_key", table: "search", nullable: true },
  first_name: { sql: "s.first_name_key", table: "search", nullable: true },
  last_name: { sql: "s.last_name_key", table: "search", nullable: true },
  /** First name, last name, and both with a space between, a line each. */
  names: { sql: "s.name_search", table: "search", nullable: false },
  /** Of several identifiers the primary one. */
  primary_email: { sql: "s.email_key", table: "search", nullable: true },
  primary_phone: { sql: "s.phone_key", table: "search", nullable: true },
  primary_wallet: { sql: "s.wallet_key", table: "search", nullable: true },
  updated_at: { sql: "a.updated_at", table: "activity", nullable: false },
  last_active_at: { sql: "a.last_active_at", table: "activity", nullable: true },
  last_sign_in_at: { sql: "a.last_sign_in_at", table: "activity", nullable: true },
} as const satisfies Record<string, Column>;
