import { FLAG_FIELDS, type MetadataObject, TIME_FIELDS } from "./condition.js";

/**
 * A field of the filter language, as orders, groups and projections name it. Of several values it is the primary one, where
 * there is one.
 */
export type FieldRef =
  | { kind: "field"; name: FieldName }
  | {
      kind: "metadata";
      object: MetadataObject;
      path: readonly string[] /** As the caller wrote it. */;
      text: string;
    };

export const FIELD_NAMES = [
  "id",
  "external_id",
  "username",
  "first_name",
  "last_name",
  "name",
  "email_address",
  "email_domain",
  "phone_number",
  "web3_wallet",
  "provider",
  "organization_id",
  "organization_role",
  ...FLAG_FIELDS,
  ...TIME_FIELDS,
] as const;
export type FieldName = (typeof FIELD_NAMES)[number];

/** A key of an order. `score`: how similar the user is to the text of the filter's `similar`. */
export type OrderKey = { by: FieldRef | "score"; descending: boolean };

/** An entry of `fields`: a top-level member of Clerk's user as it is, or a field under its own name. */
export type Projected = { kind: "member"; name: string } | FieldRef;
