import { COLUMNS, type Column, type Table } from "./columns.js";
import { metadataAt } from "./compile/metadata.js";
import { isFlagField, isTimeField } from "./condition.js";
import type { FieldName, FieldRef, OrderKey } from "./field.js";
import type { Parameters } from "./parameters.js";
import type { Traits } from "./where.js";

/** One of the values by which users are put in order. */
export interface SortKey extends Omit<Column, "table"> {
  /** Null: needs no table beside those of the filter. */
  table: Table | null;
  /** What a value is written as in a statement. */
  type: "text" | "bigint" | "boolean" | "jsonb" | "real";
  descending: boolean;
}

/** What orders are made of, beside the statement's parameters. */
export interface OrderContext {
  params: Parameters;
  where: Traits;
  nowMs: number;
}

/** The last one is the id, by which no two users are equal. */
export function sortKeys(orders: readonly OrderKey[], context: OrderContext): SortKey[] {
  return orders.map(({ by, descending }) => {
    if (by === "score") return { ...score(context.where), descending };
    return { ...fieldValue(by, context), descending };
  });
}

/** A value of a user: of several the primary one. Numbers, texts and metadata compare as orders have them. */
export function fieldValue(
  field: FieldRef,
  { params, nowMs }: Omit<OrderContext, "where">,
): Omit<SortKey, "descending"> {
  if (field.kind === "metadata") {
    const sql = `nullif(${inCodePoints(metadataAt(field, params))}, 'null'::jsonb)`;
    return { sql, table: "metadata", nullable: true, type: "jsonb" };
  }
  const { name } = field;
  if (name === "locked") return { ...isLocked(params.add(nowMs)), type: "boolean" };
  const column = SINGLE[name];
  if (!column) throw new TypeError(`${name} has no single value`);
  return { ...column, type: typeOf(name) };
}

/** Digits in hexadecimal as decimal digits, in the same order: locales sort letters next to each other as they like. */
const DECIMAL = [["9", "90"], ...[..."abcdef"].map((digit, n) => [digit, `9${n + 1}`])] as const;

/**
 * JSON whose texts stand in the order of their code points. Postgres compares texts in JSON as the database's locale has it. Where
 * that is by code points, as in databases that we make, it sees so when it plans, and nothing is left of this.
 */
function inCodePoints({ value, text }: { value: string; text: string }): string {
  const hexadecimal = `encode(convert_to(${text}, 'UTF8'), 'hex')`;
  const digits = DECIMAL.reduce(
    (sql, [digit, code]) => `replace(${sql}, '${digit}', '${code}')`,
    hexadecimal,
  );
  return `case when 'B'::text < 'a'::text or jsonb_typeof(${value}) <> 'string' then ${value} else to_jsonb(${digits}) end`;
}

const isLocked = (now: string): Column => ({
  sql: `exists (select from mirror_data.users l where l.id = s.id and l.locked_until > ${now}::bigint)`,
  table: "search",
  nullable: false,
});

/** The greatest of all that the filter asks for. */
export const scoreOf = ({ similarities }: Traits) => `greatest(${["0::real", ...similarities].join(", ")})`;

/**
 * It is worked out once, while all who match are found (`walk-page.ts`), since comparing trigrams takes long. Where the filter asks
 * for nothing that anybody is kept for, all are alike.
 */
function score({ similarities }: Traits): Omit<SortKey, "descending"> {
  return {
    sql: similarities.length > 0 ? "matching.score" : "0::real",
    table: null,
    nullable: false,
    type: "real",
  };
}

const SINGLE: Partial<Record<FieldName, Column>> = {
  id: COLUMNS.id,
  external_id: COLUMNS.external_id,
  username: COLUMNS.username,
  name: COLUMNS.name,
  first_name: COLUMNS.first_name,
  last_name: COLUMNS.last_name,
  email_address: COLUMNS.primary_email,
  email_domain: COLUMNS.primary_domain,
  phone_number: COLUMNS.primary_phone,
  web3_wallet: COLUMNS.primary_wallet,
  banned: COLUMNS.banned,
  two_factor_enabled: COLUMNS.two_factor_enabled,
  password_enabled: COLUMNS.password_enabled,
  has_image: COLUMNS.has_image,
  created_at: COLUMNS.created_at,
  updated_at: COLUMNS.updated_at,
  last_active_at: COLUMNS.last_active_at,
  last_sign_in_at: COLUMNS.last_sign_in_at,
};

function typeOf(name: FieldName): SortKey["type"] {
  if (isFlagField(name)) return "boolean";
  return isTimeField(name) ? "bigint" : "text";
}
