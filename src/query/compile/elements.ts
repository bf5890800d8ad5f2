import { accountKey, exactKey, foldedKey, foldedText, plainProvider } from "../../lib/text.js";
import { COLUMNS } from "../columns.js";
import type { CompareTime, Element, ElementCondition, ElementText, Identifiers, List } from "../condition.js";
import type { Parameters } from "../parameters.js";
import { among, BOUNDS, type Context, joined, speakOf } from "./context.js";
import { foldedFor, hasText } from "./folding.js";
import { metadata } from "./metadata.js";
import { fromRows, identifiers, memberships, type Rows, whoHas } from "./rows.js";
import { narrowed } from "./terms.js";

/**
 * Those who have such an element. Inside `or` and `not` Postgres itself has to choose from which side it begins: users who are
 * looked at for another reason are asked one by one.
 */
export function element({ list, where }: Element, context: Context): string {
  const condition = whole(where);
  const listed = inArray(list, condition, context);
  if (listed !== null) return listed;
  speakOf(COLUMNS.id, context);
  const rows = rowsOf(list, condition, context);
  const isFew = context.mustHold || namesElements(list, condition);
  return [...partsInSearch(list, condition, context), isFew ? fromRows(rows) : whoHas(rows)].join(" and ");
}

export function noElement({ list, where }: Element, context: Context): string {
  const condition = whole(where);
  const inside = { ...context, mustHold: false };
  const listed = inArray(list, condition, inside);
  if (listed !== null) return `not (${listed})`;
  speakOf(COLUMNS.id, context);
  return `not ${whoHas(rowsOf(list, condition, inside))}`;
}

/** Such conditions are met by a few users at most. Members of an organization can be many. */
export function namesElements(list: List, where: ElementCondition): boolean {
  if (list === "membership") return false;
  const all = allOf(where);
  return all.some((one) => isOneOf(one, "key")) || keysOfAccounts(list, all) !== null;
}

/** Its members are found by their organization. */
export const namesOrganization = (list: List, where: ElementCondition) =>
  list === "membership" && allOf(where).some((one) => isOneOf(one, "key"));

/** Whether an array beside the user has what is asked for. */
export function isInArray(list: List, where: ElementCondition): boolean {
  const field = list === "email" ? "domain" : list === "account" ? "provider" : null;
  return field !== null && isOneOf(whole(where), field);
}

/** Without the frame around a single condition. */
function whole(where: ElementCondition): ElementCondition {
  const all = allOf(where);
  return all.length === 1 && all[0] ? all[0] : where;
}

/** What must hold of the element, each by itself. */
const allOf = (where: ElementCondition): readonly ElementCondition[] =>
  where.kind === "and" ? where.all.flatMap(allOf) : [where];

type OneOf = Extract<ElementCondition, { operator: "in" }>;

const isOneOf = (one: ElementCondition, field: ElementText): one is OneOf =>
  one.kind === "compare" && one.operator === "in" && one.field === field;

/** What stands in an array beside the user needs no other table. */
function inArray(list: List, where: ElementCondition, context: Context): string | null {
  const among = (column: string, values: readonly string[]) =>
    `${column} ${values.length === 1 ? "@>" : "&&"} ${context.params.texts(values)}`;
  if (list === "email" && isOneOf(where, "domain")) {
    return among(speakOf(COLUMNS.email_domains, context), where.values.map(foldedKey));
  }
  if (list === "account" && isOneOf(where, "provider")) {
    return among(speakOf(COLUMNS.providers, context), where.values.map(plainProvider).map(exactKey));
  }
  return null;
}

/** What is in an address is in the searched text too, where the index of trigrams finds it. */
function partsInSearch(list: List, where: ElementCondition, context: Context): string[] {
  if (list === "membership" || list === "account") return [];
  return allOf(where).flatMap((one) =>
    one.kind === "term" && (one.field === "key" || one.field === "domain")
      ? (narrowed(one.text, context) ?? [])
      : [],
  );
}

function rowsOf(list: List, where: ElementCondition, context: Context): Rows {
  if (list === "membership") return memberships(holds(list, where, context));
  const keys = keysOfAccounts(list, allOf(where));
  const found = keys === null ? [] : [among("i.folded", keys.map(foldedKey), context.params)];
  return identifiers(list, [...found, holds(list, where, context)].join("\n      and "));
}

/** By a provider and an id there, together, an account is found by its key. */
function keysOfAccounts(list: List, all: readonly ElementCondition[]): string[] | null {
  if (list !== "account") return null;
  const providers = all.find((one) => isOneOf(one, "provider"));
  const ids = all.find((one) => isOneOf(one, "provider_user_id"));
  if (!providers || !ids || providers.values.length * ids.values.length > MOST_KEYS) return null;
  return providers.values.flatMap((provider) => ids.values.map((id) => accountKey(provider, id)));
}

const MOST_KEYS = 1000;

/** Over one row of the list. */
function holds(list: List, where: ElementCondition, context: Context): string {
  const { notes, params } = context;
  switch (where.kind) {
    case "and":
      return joined(counted(where.all), " and ");
    case "or":
      return joined(counted(where.any), " or ");
    case "not":
      return `(${counted([where.condition])}) is not true`;
    case "metadata":
      return metadata(where, "m.public_metadata", context);
    case "present":
      return where.field === "created_at" ? "m.created_at is not null" : isPresent(list, where.field);
    case "term":
      return hasFoldedText(list, where, params);
    case "compare":
      switch (where.operator) {
        case "in":
          return isAmong(list, where, params);
        case "eq":
          return where.value ? FLAGS[where.field] : `(${FLAGS[where.field]}) is not true`;
        default:
          return createdAt(where, params);
      }
  }

  function counted(conditions: readonly ElementCondition[]): string[] {
    notes.size++;
    return conditions.map((one) => holds(list, one, context));
  }
}

const FLAGS = { verified: "i.verification_status = 'verified'", primary: "i.is_primary" } as const;

const PROVIDER = "i.detail->>'provider'";

/** As Clerk spells them, but for `oauth_`. */
const TEXTS: Record<Exclude<ElementText, "key">, { sql: string; isFolded: boolean }> = {
  domain: { sql: "i.domain", isFolded: true },
  email_address: { sql: "i.account_email", isFolded: true },
  role: { sql: "m.role", isFolded: false },
  provider: { sql: `regexp_replace(${PROVIDER}, '^oauth_', '')`, isFolded: false },
  provider_user_id: { sql: "(i.detail->>'provider_user_id')", isFolded: false },
};

/** Phone numbers and ids at providers are exact; the others fold case. */
const EXACT: ReadonlySet<List> = new Set<Identifiers>(["phone", "account"]);

function isAmong(list: List, { field, values }: OneOf, params: Parameters): string {
  if (field !== "key") {
    const { sql, isFolded } = TEXTS[field];
    const given = field === "provider" ? values.map(plainProvider) : values;
    return among(sql, given.map(isFolded ? foldedKey : exactKey), params);
  }
  if (list === "membership") return `m.organization_id = any(${params.texts(values.map(exactKey))})`;
  const folded = among("i.folded", values.map(foldedKey), params);
  if (!EXACT.has(list)) return folded;
  // Found by the folded value, which is indexed, then compared as it is spelled.
  return `${folded}\n      and ${among("i.value", values.map(exactKey), params)}`;
}

function isPresent(list: List, field: ElementText): string {
  if (field !== "key") return `${TEXTS[field].sql} is not null`;
  return list === "membership" ? "m.organization_id is not null" : "true";
}

type ElementTerm = Extract<ElementCondition, { kind: "term" }>;

function hasFoldedText(list: List, { how, field, text }: ElementTerm, params: Parameters): string {
  const folded = foldedText(text);
  if (field === "key" && list !== "membership") return hasText("i.folded", how, folded, params);
  const { sql, isFolded } = field === "key" ? { sql: "m.organization_id", isFolded: false } : TEXTS[field];
  const isIn = (sql: string) => hasText(`(${foldedFor(folded, sql, params)})`, how, folded, params);
  // Parts are those of what users show.
  if (field === "provider") return isIn(PROVIDER);
  return isFolded ? hasText(sql, how, folded, params) : isIn(sql);
}

/** As the view shows times. What it could never show is as early, or as late, as what it can. */
const EARLIEST_MS = -210_000_000_000_000;
const LATEST_MS = 9_000_000_000_000_000;
const shownTime = (param: string) => `to_timestamp(${param}::bigint / 1000.0)`;
const withinShown = (ms: number) => Math.min(Math.max(ms, EARLIEST_MS), LATEST_MS);

function createdAt(condition: CompareTime<"created_at">, params: Parameters): string {
  if (condition.operator === "among") {
    const given = params.integers(condition.valuesMs.map(withinShown));
    return `m.created_at = any(array(select ${shownTime("v")} from unnest(${given}) as v))`;
  }
  return `m.created_at ${BOUNDS[condition.operator]} ${shownTime(params.add(withinShown(condition.valueMs)))}`;
}
