import type { ClerkMembership, ClerkOrganization, ClerkUser, Json } from "../../clerk.js";
import { splicePrivateMetadata, splitPrivateMetadata } from "../../lib/private-metadata.js";
import { exactKey } from "../../lib/text.js";
import { type Content, type Kept, orderKey, type State } from "../fold/fold.js";
import { orNull, text } from "./derive.js";
import { safeJson, shownInSql } from "./safe-json.js";
import {
  memberships,
  organizations,
  type StoredMembership,
  type StoredOrganization,
  type StoredRow,
  type StoredUser,
  users,
} from "./tables.js";

/** A stored row as the fold sees it. */
export function stateOf(row: StoredRow & Partial<StoredUser> & Partial<StoredMembership>): State {
  const erased = row.erased ?? false;
  if (row.deleted_at !== null) return { content: null, goneAtMs: row.deleted_at, erased };
  if (row.payload === null) return { content: null, goneAtMs: null, erased };
  const payload = row.payload;
  const order = orderKey(row.updated_at, row.source, row.observed_at, row.payload_hash ?? "");
  let parsed: Json | undefined;
  const object = () => {
    parsed ??= withEmbedded(payload, row);
    return parsed;
  };
  const kept: Content["kept"] = {};
  const privateKept = keptOf(row.private_order, order);
  if (privateKept) {
    kept.private_metadata = {
      order: privateKept,
      value: row.private_metadata === null ? null : JSON.parse(row.private_metadata),
    };
  }
  const scimKept = keptOf(row.scim_order === undefined ? NEVER : row.scim_order, order);
  if (scimKept) kept.scim = { order: scimKept, value: object().scim };
  return {
    content: {
      order,
      updatedAtMs: row.updated_at,
      observedAtMs: row.observed_at,
      rank: row.source,
      hash: row.payload_hash ?? "",
      object,
      kept,
      lastActiveAtMs: row.last_active_at ?? null,
      lastSignInAtMs: row.last_sign_in_at ?? null,
      lockedUntilMs: row.locked_until ?? null,
    },
    goneAtMs: null,
    erased,
  };
}

/** Stored instead of an order key if no snapshot ever had the member. Null means that the row's own snapshot had it. */
const NEVER = "-";
const keptOf = (stored: string | null, own: string) => (stored === NEVER ? null : (stored ?? own));
const orderColumn = (kept: Kept | undefined, own: string) =>
  kept ? (kept.order === own ? null : kept.order) : NEVER;

/** The payload with what its row stores apart: private metadata, and the ids of a membership's organization and user. */
function withEmbedded(
  payload: string,
  row: StoredRow & Partial<StoredUser> & Partial<StoredMembership>,
): Json {
  const privateAt = row.private_at ?? null;
  const pieces = splicePrivateMetadata(
    Buffer.from(payload),
    privateAt,
    Buffer.from(row.private_metadata ?? "null"),
  );
  const object: Json = JSON.parse(String(Buffer.concat(pieces)));
  if (privateAt === null && row.private_metadata !== null) {
    object.private_metadata = JSON.parse(row.private_metadata);
  }
  if (row.organization_id) object.organization = { id: row.organization_id };
  if (row.public_user_data) object.public_user_data = JSON.parse(row.public_user_data);
  else if (row.user_id) object.public_user_data = { user_id: row.user_id };
  return object;
}

/** The object to serve: the winning snapshot's, with the kept members and the greatest times in it. */
function merged(content: Content): Json {
  const object: Json = { ...content.object() };
  const { private_metadata, scim } = content.kept;
  if (private_metadata) object.private_metadata = private_metadata.value;
  if (scim) object.scim = scim.value;
  if (content.lastActiveAtMs !== null) object.last_active_at = content.lastActiveAtMs;
  if (content.lastSignInAtMs !== null) object.last_sign_in_at = content.lastSignInAtMs;
  return object;
}

/** The row for a user's state, and the user that it was made from (null: a tombstone). */
export function userRow(id: string, state: State): { row: StoredUser; user: ClerkUser | null } {
  const { content } = state;
  const shared = { id, deleted_at: state.goneAtMs, erased: state.erased, contradicted_at: null };
  if (!content) return { row: { ...users.tombstone, ...shared }, user: null };
  const user = merged(content) as ClerkUser;
  const split = splitPrivateMetadata(user);
  return {
    user,
    row: {
      ...shared,
      ...orderColumns(content),
      payload: split.payload,
      payload_safe: shownInSql(split.payload, () => without(user, "private_metadata")),
      private_metadata: split.privateMetadata,
      private_at: split.privateAt,
      scim_order: orderColumn(content.kept.scim, content.order),
      locked_until: content.lockedUntilMs,
      last_active_at: content.lastActiveAtMs,
      last_sign_in_at: content.lastSignInAtMs,
    },
  };
}

function without(object: Json, member: string): Json {
  const { [member]: _, ...rest } = object;
  return rest;
}

function orderColumns(content: Content) {
  return {
    updated_at: content.updatedAtMs,
    observed_at: content.observedAtMs,
    source: content.rank,
    payload_hash: content.hash,
    private_order: orderColumn(content.kept.private_metadata, content.order),
  };
}

export function organizationRow(id: string, state: State): StoredOrganization {
  const { content } = state;
  if (!content) return { ...organizations.tombstone, id, deleted_at: state.goneAtMs };
  const { private_metadata, ...organization } = merged(content) as ClerkOrganization;
  const payload = JSON.stringify(organization);
  return {
    id,
    deleted_at: null,
    ...orderColumns(content),
    payload,
    payload_safe: shownInSql(payload, () => organization),
    private_metadata: orNull(private_metadata, JSON.stringify),
    name: orNull(text(organization.name), exactKey),
    slug: orNull(text(organization.slug), exactKey),
    created_at: organization.created_at,
    public_metadata: orNull(organization.public_metadata, safeJson),
  };
}

export function membershipRow(id: string, state: State): StoredMembership {
  const { content } = state;
  if (!content) return { ...memberships.tombstone, id, deleted_at: state.goneAtMs };
  const object = merged(content) as ClerkMembership;
  const { private_metadata, organization, public_user_data, ...membership } = object;
  const payload = JSON.stringify(membership);
  return {
    id,
    deleted_at: null,
    ...orderColumns(content),
    payload,
    payload_safe: shownInSql(payload, () => membership),
    private_metadata: orNull(private_metadata, JSON.stringify),
    public_user_data: JSON.stringify(public_user_data),
    organization_id: exactKey(organization.id),
    user_id: exactKey(public_user_data.user_id),
    role: orNull(text(membership.role), exactKey),
    created_at: membership.created_at,
    public_metadata: orNull(membership.public_metadata, safeJson),
  };
}
