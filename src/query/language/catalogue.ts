import { plainProvider } from "../../lib/text.js";
import type {
  Bound,
  Condition,
  ElementCondition,
  ElementText,
  FlagField,
  List,
  MetadataObject,
  MetadataTest,
  TextField,
  TimeField,
} from "../condition.js";
import type { FieldName } from "../field.js";
import { EVERYBODY } from "./algebra.js";

type Leaf<C> = Exclude<C, { kind: "and" | "or" | "not" }>;
export type UserLeaf = Leaf<Condition>;
export type ElementLeaf = Leaf<ElementCondition>;

/** A field as filters see it: what can be asked of it, and the condition that this becomes. */
export type Field<L> = Text<L> | Flag<L> | Time<L> | Path<L> | Any<L>;

interface Text<L> {
  type: "text";
  among(values: readonly string[]): L;
  holds(how: Part, text: string): L;
  similar: ((text: string) => L) | null;
  present: L;
}

interface Flag<L> {
  type: "flag";
  is(value: boolean): L;
}

interface Time<L> {
  type: "time";
  compare(test: TimeTest): L;
  present: L;
}

interface Path<L> {
  type: "metadata";
  test(test: MetadataTest): L;
}

interface Any<L> {
  type: "any";
  holds(how: Part | "similar", text: string): L;
}

export type Part = "contains" | "prefix" | "suffix";
type TimeTest = { operator: Bound; valueMs: number } | { operator: "among"; valuesMs: readonly number[] };

const EQUALITY = ["eq", "ne", "in", "nin"] as const;
const SIZES = ["lt", "lte", "gt", "gte"] as const;
const PARTS = ["contains", "prefix", "suffix"] as const;

export const OPERATORS = [...EQUALITY, ...SIZES, ...PARTS, "exists", "similar"] as const;
export type Operator = (typeof OPERATORS)[number];

export function operatorsOf(field: Field<unknown>): readonly Operator[] {
  switch (field.type) {
    case "text":
      return [...EQUALITY, ...PARTS, "exists", ...(field.similar ? (["similar"] as const) : [])];
    case "flag":
      return [...EQUALITY, "exists"];
    case "time":
      return [...EQUALITY, ...SIZES, "exists"];
    case "metadata":
      return [...EQUALITY, ...SIZES, ...PARTS, "exists"];
    case "any":
      return [...PARTS, "similar"];
  }
}

/** A field that each user has once, or hasn't. */
const text = (field: TextField): Text<UserLeaf> => ({
  type: "text",
  among: (values) => ({ kind: "compare", field, operator: "in", values }),
  holds: (how, text) => ({ kind: "term", how, field, text }),
  similar: null,
  present: { kind: "present", field },
});

const name = (field: "username" | "first_name" | "last_name" | "name"): Text<UserLeaf> => ({
  ...text(field),
  similar: (text) => ({ kind: "term", how: "similar", field, text }),
});

const elementText = (field: ElementText): Text<ElementLeaf> => ({
  type: "text",
  among: (values) => ({ kind: "compare", field, operator: "in", values }),
  holds: (how, text) => ({ kind: "term", how, field, text }),
  similar: null,
  present: { kind: "present", field },
});

/** Stored without `oauth_`, which Clerk writes before the same provider in one place and leaves out in another. */
const provider: Text<ElementLeaf> = {
  ...elementText("provider"),
  among: (values) => elementText("provider").among(values.map(plainProvider)),
};

/** A field of users that is one of their elements': any of them. */
const ofElements = (list: List, field: Text<ElementLeaf>): Text<UserLeaf> => ({
  type: "text",
  among: (values) => ({ kind: "element", list, where: field.among(values) }),
  holds: (how, text) => ({ kind: "element", list, where: field.holds(how, text) }),
  similar: null,
  present: { kind: "element", list, where: field.present },
});

/** No element is without its key. */
const keyOf = (list: List): Text<UserLeaf> => ({
  ...ofElements(list, elementText("key")),
  present: { kind: "element", list, where: EVERYBODY },
});

/** What these hold is also found in the text that all searches look at, which has an index. */
const identifier = (list: "email" | "phone" | "wallet"): Text<UserLeaf> => ({
  ...keyOf(list),
  holds: (how, text) => ({ kind: "term", how, field: list, text }),
});

const flag = (field: FlagField): Flag<UserLeaf> => ({
  type: "flag",
  is: (value) => ({ kind: "compare", field, operator: "eq", value }),
});

const elementFlag = (field: "verified" | "primary"): Flag<ElementLeaf> => ({
  type: "flag",
  is: (value) => ({ kind: "compare", field, operator: "eq", value }),
});

const time = (field: TimeField): Time<UserLeaf> => ({
  type: "time",
  compare: (test) => ({ kind: "compare", field, ...test }),
  present: { kind: "present", field },
});

const elementTime: Time<ElementLeaf> = {
  type: "time",
  compare: (test) => ({ kind: "compare", field: "created_at", ...test }),
  present: { kind: "present", field: "created_at" },
};

/** Works for users and for elements alike. */
export const metadataField = (
  object: MetadataObject,
  path: readonly string[],
): Path<UserLeaf & ElementLeaf> => ({
  type: "metadata",
  test: (test) => ({ kind: "metadata", object, path, test }),
});

/** All fields of users but metadata. */
const USER_FIELDS: Readonly<Record<FieldName | "any", Field<UserLeaf>>> = {
  id: text("id"),
  external_id: text("external_id"),
  username: name("username"),
  first_name: name("first_name"),
  last_name: name("last_name"),
  name: name("name"),
  email_address: {
    ...identifier("email"),
    similar: (text) => ({ kind: "term", how: "similar", field: "email", text }),
  },
  email_domain: ofElements("email", elementText("domain")),
  phone_number: identifier("phone"),
  web3_wallet: identifier("wallet"),
  provider: ofElements("account", provider),
  organization_id: keyOf("membership"),
  organization_role: ofElements("membership", elementText("role")),
  banned: flag("banned"),
  locked: flag("locked"),
  two_factor_enabled: flag("two_factor_enabled"),
  password_enabled: flag("password_enabled"),
  has_image: flag("has_image"),
  created_at: time("created_at"),
  updated_at: time("updated_at"),
  last_active_at: time("last_active_at"),
  last_sign_in_at: time("last_sign_in_at"),
  any: {
    type: "any",
    holds: (how, text) => ({ kind: "term", how, field: "any", text }),
  },
};
export const FIELDS: ReadonlyMap<string, Field<UserLeaf>> = new Map(Object.entries(USER_FIELDS));

export interface ElementObject {
  list: List;
  fields: ReadonlyMap<string, Field<ElementLeaf>>;
}

const elements = (list: List, fields: Record<string, Field<ElementLeaf>>): ElementObject => ({
  list,
  fields: new Map(Object.entries(fields)),
});

/** The objects of a filter that speak of one and the same element. A membership has public metadata too. */
export const ELEMENT_OBJECTS: ReadonlyMap<string, ElementObject> = new Map([
  [
    "membership",
    elements("membership", {
      organization_id: elementText("key"),
      role: elementText("role"),
      created_at: elementTime,
    }),
  ],
  [
    "email",
    elements("email", {
      address: elementText("key"),
      domain: elementText("domain"),
      verified: elementFlag("verified"),
      primary: elementFlag("primary"),
    }),
  ],
  [
    "account",
    elements("account", {
      provider,
      provider_user_id: elementText("provider_user_id"),
      email_address: elementText("email_address"),
    }),
  ],
]);
