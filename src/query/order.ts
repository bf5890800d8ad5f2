import { COLUMNS, type Column } from "./columns.js";

/** What lists can be ordered by, as Clerk names it. Several identifiers: by the primary one. */
export const ORDER_FIELDS = [
  "created_at",
  "updated_at",
  "email_address",
  "web3wallet",
  "first_name",
  "last_name",
  "phone_number",
  "username",
  "last_active_at",
  "last_sign_in_at",
] as const;
export type OrderField = (typeof ORDER_FIELDS)[number];

/** Ties go by id, in the same direction. */
export interface OrderBy {
  field: OrderField;
  descending: boolean;
}

export const ORDER_COLUMNS: Record<OrderField, Column> = {
  created_at: COLUMNS.created_at,
  updated_at: COLUMNS.updated_at,
  email_address: COLUMNS.primary_email,
  web3wallet: COLUMNS.primary_wallet,
  first_name: COLUMNS.first_name,
  last_name: COLUMNS.last_name,
  phone_number: COLUMNS.primary_phone,
  username: COLUMNS.username,
  last_active_at: COLUMNS.last_active_at,
  last_sign_in_at: COLUMNS.last_sign_in_at,
};
