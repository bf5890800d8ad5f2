import { FIELD_NAMES } from "../field.js";

/** What an attribute is called in the JSON filter. */
export interface Attribute {
  field: string;
  /** It is true where the field is false. */
  isOpposite: boolean;
}

/** What may be named: among the fields of a user, or among those of an element. */
export interface Attributes {
  /** By the name in lower case. */
  names: ReadonlyMap<string, Attribute>;
  /** The objects that take a path, which stands in the name as it is written. */
  metadata: readonly string[];
}

/** A list that a value path goes into: what it is called in the JSON filter, and what its elements have. */
interface List {
  key: "email" | "membership" | "account";
  attributes: Attributes;
}

/** SCIM's names for fields of users; the first of a field's is the one that is written. */
const SCIM_NAMES = {
  userName: "username",
  externalId: "external_id",
  emails: "email_address",
  "emails.value": "email_address",
  "phoneNumbers.value": "phone_number",
  "name.givenName": "first_name",
  "name.familyName": "last_name",
  "meta.created": "created_at",
  "meta.lastModified": "updated_at",
  groups: "organization_id",
  "groups.value": "organization_id",
} as const;

/** The fields under their own names, and under those that SCIM gives them. */
function namesOf(fields: readonly string[], scim: Readonly<Record<string, string>> = {}) {
  const spelled = [...fields.map((field) => [field, field] as const), ...Object.entries(scim)];
  return new Map(spelled.map(([name, field]) => [name.toLowerCase(), { field, isOpposite: false }]));
}

export const USER_ATTRIBUTES: Attributes = {
  names: namesOf([...FIELD_NAMES, "any"], SCIM_NAMES).set("active", { field: "banned", isOpposite: true }),
  metadata: ["public_metadata", "unsafe_metadata", "private_metadata"],
};

const EMAIL: List = {
  key: "email",
  attributes: {
    names: namesOf(["address", "domain", "verified", "primary"], { value: "address" }),
    metadata: [],
  },
};

const MEMBERSHIP: List = {
  key: "membership",
  attributes: {
    names: namesOf(["organization_id", "role", "created_at"], { value: "organization_id" }),
    metadata: ["public_metadata"],
  },
};

const ACCOUNT: List = {
  key: "account",
  attributes: { names: namesOf(["provider", "provider_user_id", "email_address"]), metadata: [] },
};

const LISTS: ReadonlyMap<string, List> = new Map([
  ["emails", EMAIL],
  ["groups", MEMBERSHIP],
  ["email", EMAIL],
  ["membership", MEMBERSHIP],
  ["account", ACCOUNT],
]);

/** How a field of a filter is written in SCIM. One that isn't here is written by its own name. */
export interface Spelling {
  name: string;
  isOpposite: boolean;
}
export type Spellings = ReadonlyMap<string, Spelling>;

const spelled = (names: Readonly<Record<string, string>>) =>
  new Map(
    Object.entries(names)
      .reverse()
      .map(([name, field]): [string, Spelling] => [field, { name, isOpposite: false }]),
  );

export const USER_SPELLINGS: Spellings = spelled(SCIM_NAMES).set("banned", {
  name: "active",
  isOpposite: true,
});

/** By the key of an element object: the list that stands before the brackets, and a name that each of its elements has. */
export const ELEMENT_SPELLINGS: ReadonlyMap<string, { list: string; key: string; names: Spellings }> =
  new Map([
    ["email", { list: "emails", key: "value", names: spelled({ value: "address" }) }],
    ["membership", { list: "groups", key: "value", names: spelled({ value: "organization_id" }) }],
    ["account", { list: "account", key: "provider_user_id", names: spelled({}) }],
  ]);

export const LIST_NAMES = [...LISTS.keys()].join(", ");

export const listOf = (name: string) => LISTS.get(withoutSchema(name).toLowerCase());

export function attributeOf({ names, metadata }: Attributes, name: string): Attribute | undefined {
  const plain = withoutSchema(name);
  const lower = plain.toLowerCase();
  const object = metadata.find((each) => lower.startsWith(`${each}.`));
  return object ? { field: object + plain.slice(object.length), isOpposite: false } : names.get(lower);
}

const SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:user:";

/** SCIM lets the name of an attribute begin with its schema. */
const withoutSchema = (name: string) =>
  name.toLowerCase().startsWith(SCHEMA) ? name.slice(SCHEMA.length) : name;
