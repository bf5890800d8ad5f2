import type { ClerkMembership, ClerkOrganization, ClerkUser, Json } from "../../clerk.js";
import { dayOf } from "../../lib/days.js";
import { exactKey } from "../../lib/text.js";
import { isReplaceable, splicePrivateMetadata, splitUser } from "../../lib/user-text.js";
import { type Content, type Kept, type OrderKey, orderKey, type State } from "../fold/fold.js";
import { orNull, spelledNames, text } from "./derive.js";
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

/** A stored row as the fold sees it. Its object can be had once its payload was read. */
export function stateOf(row: StoredRow & Partial<StoredUser> & Partial<StoredMembership>): State {
  const erased = row.erased ?? false;
  if (row.deleted_at !== null) return { content: null, goneAtMs: row.deleted_at, erased };
  if (!isLive(row)) return { content: null, goneAtMs: null, erased };
  const order = orderKey(row.updated_at, row.source, row.observed_at, row.payload_hash ?? "");
  let parsed: Json | undefined;
  const object = () => {
    parsed ??= withEmbedded(row);
    return parsed;
  };
  const privateOrder = keptOf(row.private_order, order);
  const scimOrder = keptOf(row.scim_order === undefined ? NEVER : row.scim_order, order);
  return {
    content: {
      order,
      updatedAtMs: row.updated_at,
      observedAtMs: row.observed_at,
      rank: row.source,
      hash: row.payload_hash ?? "",
      keyOrder: row.key_order ?? 0,
      isPlain: hasTimesApart(row),
      object,
      kept: {
        private_metadata: privateOrder === null ? null : new StoredKept(privateOrder, () => privateOf(row)),
        scim: scimOrder === null ? null : new StoredKept(scimOrder, () => object().scim),
      },
      lastActiveAtMs: row.last_active_at ?? null,
      lastSignInAtMs: row.last_sign_in_at ?? null,
      lockedUntilMs: row.locked_until ?? null,
    },
    goneAtMs: null,
    erased,
  };
}

/** A member of a stored row, which is parsed when it is needed. */
class StoredKept implements Kept {
  constructor(
    readonly order: OrderKey,
    private readonly read: () => unknown,
  ) {}

  get value(): unknown {
    return this.read();
  }
}

const privateOf = ({ private_metadata }: Pick<StoredRow, "private_metadata">) =>
  private_metadata === null ? null : JSON.parse(private_metadata);

/** The user in a row whose payload was read, without what stands apart: private metadata and the times that a visit changes. */
export function contentIn(row: Pick<StoredUser, "payload">): ClerkUser {
  if (row.payload === null) throw unreadPayload();
  return JSON.parse(row.payload);
}

const unreadPayload = () => new Error("the payload of this row was not read");

/** Whether the row holds an object, not a tombstone. */
export const isLive = (row: Pick<StoredRow, "payload_hash"> | null) =>
  row !== null && row.payload_hash !== null;

const hasTimesApart = (row: Partial<StoredUser>) => (row.time_places ?? null) !== null;

/** Stored instead of an order key if no snapshot ever had the member. Null means that the row's own snapshot had it. */
const NEVER = "-";
const keptOf = (stored: string | null, own: string) => (stored === NEVER ? null : (stored ?? own));
const orderColumn = (kept: Kept | null, own: string) =>
  kept ? (kept.order === own ? null : kept.order) : NEVER;

/**
 * The payload with what its row stores apart: private metadata, times, and the ids of a membership's organization and user.
 */
function withEmbedded(row: StoredRow & Partial<StoredUser> & Partial<StoredMembership>): Json {
  if (row.payload === null) throw unreadPayload();
  const privatePlace = row.private_place ?? null;
  const pieces = splicePrivateMetadata(
    Buffer.from(row.payload),
    privatePlace,
    Buffer.from(row.private_metadata ?? "null"),
  );
  const object: Json = JSON.parse(String(Buffer.concat(pieces)));
  if (privatePlace === null && row.private_metadata !== null) {
    object.private_metadata = JSON.parse(row.private_metadata);
  }
  if (hasTimesApart(row)) {
    object.updated_at = row.updated_at;
    if (row.last_active_at !== null) object.last_active_at = row.last_active_at;
    if (row.last_sign_in_at !== null) object.last_sign_in_at = row.last_sign_in_at;
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

/**
 * The row for a user's state, and the user that it was made from (null: a tombstone). `known`: its number, if it
 * has one already, and the day of its creation as far as that is known of a tombstone.
 */
export function userRow(
  id: string,
  state: State,
  known: Pick<StoredUser, "number" | "created_day">,
): { row: StoredUser; user: ClerkUser | null } {
  const { content } = state;
  const user = content && (merged(content) as ClerkUser);
  const deleted_at = state.goneAtMs;
  if (!content || !user) {
    const shared = { id, deleted_at, erased: state.erased, contradicted_at: null };
    const counted = countedTombstone({ deleted_at }, known.created_day);
    return { row: { ...users.tombstone, ...shared, ...counted }, user: null };
  }
  const split = splitUser(user, { timesApart: content.isPlain && !content.kept.scim });
  const names = spelledNames(user);
  // Written out: with members spread into it, making this object takes more than half of the time for the whole row.
  const row: StoredUser = {
    id,
    updated_at: content.updatedAtMs,
    observed_at: content.observedAtMs,
    source: content.rank,
    deleted_at,
    payload_hash: content.hash,
    payload: split.payload,
    payload_safe: shownInSql(split.payload, () => without(user, "private_metadata")),
    private_metadata: split.privateMetadata,
    private_order: orderColumn(content.kept.private_metadata, content.order),
    erased: state.erased,
    contradicted_at: null,
    private_place: split.privatePlace,
    time_places: split.timePlaces,
    key_order: content.keyOrder,
    scim_order: orderColumn(content.kept.scim, content.order),
    locked_until: content.lockedUntilMs,
    last_active_at: content.lastActiveAtMs,
    last_sign_in_at: content.lastSignInAtMs,
    username: names.username,
    first_name: names.first_name,
    last_name: names.last_name,
    email_address: names.email_address,
    phone_number: names.phone_number,
    web3_wallet: names.web3_wallet,
    image_url: names.image_url,
    number: known.number,
    created_day: dayOf(user.created_at),
    deleted_day: null,
  };
  return { row, user };
}

/**
 * The days under which a tombstone is counted: that of its user's creation, and its own if there was such a user. Both are null where
 * nobody has said when that was.
 */
export function countedTombstone(
  { deleted_at }: Pick<StoredUser, "deleted_at">,
  created_day: number | null,
): Pick<StoredUser, "created_day" | "deleted_day"> {
  return { created_day, deleted_day: created_day === null || deleted_at === null ? null : dayOf(deleted_at) };
}

/**
 * The row of a user of whom nothing but times has changed: its payload says the same and isn't written again. Null: something
 * else has changed, or the payload can't show the times in the places that it has for them.
 */
export function touchedUserRow<R extends StoredUser>(row: R, before: State, after: State): R | null {
  const [stored, content] = [before.content, after.content];
  if (!stored || !content || !hasTimesApart(row)) return null;
  const saysTheSame =
    content.hash === stored.hash &&
    content.keyOrder === stored.keyOrder &&
    content.isPlain &&
    content.kept.scim === null &&
    isSamePrivate(row, stored, content) &&
    isReplaceable(content.updatedAtMs) &&
    fits(content.lastActiveAtMs, row.last_active_at) &&
    fits(content.lastSignInAtMs, row.last_sign_in_at);
  if (!saysTheSame) return null;
  // Members behind a spread would cost more than all that is done for a visit besides.
  const touched = { ...row };
  touched.updated_at = content.updatedAtMs;
  touched.observed_at = content.observedAtMs;
  touched.source = content.rank;
  touched.payload_hash = content.hash;
  touched.private_order = orderColumn(content.kept.private_metadata, content.order);
  touched.last_active_at = content.lastActiveAtMs;
  touched.last_sign_in_at = content.lastSignInAtMs;
  return touched;
}

const fits = (time: number | null, stored: number | null) =>
  stored === null ? time === null : isReplaceable(time);

function isSamePrivate(row: StoredUser, stored: Content, content: Content): boolean {
  const [before, after] = [stored.kept.private_metadata, content.kept.private_metadata];
  if (!before || !after) return false;
  return before === after || JSON.stringify(after.value) === row.private_metadata;
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
