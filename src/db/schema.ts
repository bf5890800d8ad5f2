import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  customType,
  index,
  integer,
  jsonb,
  pgSchema,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
} from "drizzle-orm/pg-core";

/** Text compared byte by byte. A key under another collation than its index is scanned, not looked up. */
const key = customType<{ data: string; driverData: string }>({ dataType: () => 'text COLLATE "C"' });
const keys = customType<{ data: string[]; driverData: string[] }>({ dataType: () => 'text[] COLLATE "C"' });
/** Milliseconds since 1970, UTC. */
const ms = (name: string) => bigint(name, { mode: "number" });

/** Everything the mirror owns. The contract for SQL users is the schema `mirror` (`sql-contract.ts`). */
export const mirrorData = pgSchema("mirror_data");

/**
 * One row per user id ever seen: the user as Clerk last described it, or its tombstone. Written by `sync/apply.ts`
 * only. Nothing but the primary key is indexed, so that most updates stay on their page; filters use `user_search`.
 *
 * `payload` is the user's JSON without `private_metadata`, which stands in a column of its own and is spliced in at
 * `private_at` for those who may read it. `payload_safe` is set only when the payload holds characters that jsonb
 * can't (U+0000, lone surrogates): the same with U+FFFD in their place, for the SQL views.
 */
export const users = mirrorData.table(
  "users",
  {
    id: key("id").primaryKey(),
    updatedAt: ms("updated_at").notNull().default(0),
    observedAt: ms("observed_at").notNull().default(0),
    /** Rank of what told us: 0 a copy embedded in something else, 1 webhook, 2 an answer of Clerk's API. */
    source: smallint("source").notNull().default(0),
    /** When we learnt that the user is gone. A tombstone keeps the id and times, nothing personal. */
    deletedAt: ms("deleted_at"),
    /** Tombstone made by an erasure request: never revived. */
    erased: boolean("erased").notNull().default(false),
    /** When Clerk was last asked whether this tombstone is wrong. */
    contradictedAt: ms("contradicted_at"),
    /** Of the content without volatile fields, independent of key order. */
    payloadHash: key("payload_hash"),
    payload: text("payload"),
    payloadSafe: text("payload_safe"),
    privateMetadata: text("private_metadata"),
    privateAt: integer("private_at"),
    /** Order keys of what last spoke of private metadata and `scim`, where that isn't this row's own snapshot. */
    privateOrder: key("private_order"),
    scimOrder: key("scim_order"),
    /** null = not locked; `LOCKED_FOR_EVER` = no end; else the moment the lock ends. */
    lockedUntil: ms("locked_until"),
  },
  (t) => [
    index("users_locked_until").on(t.lockedUntil).where(sql`${t.lockedUntil} is not null`),
    index("users_deleted_at").on(t.deletedAt).where(sql`${t.deletedAt} is not null`),
  ],
);

/**
 * What list, count and search look at; one row per live user, written only when it differs: an update under the
 * trigram index (made in `search-index.ts`) costs 14 times one without. Fixed-width columns first and `search` right
 * behind them, because a scan pays for every column it has to step over.
 */
export const userSearch = mirrorData.table(
  "user_search",
  {
    createdAt: ms("created_at").notNull(),
    banned: boolean("banned").notNull(),
    passwordEnabled: boolean("password_enabled").notNull(),
    twoFactorEnabled: boolean("two_factor_enabled").notNull(),
    hasImage: boolean("has_image").notNull(),
    /** Folded emails, phones, usernames, wallets, id, first, last and "first last", joined by `\n`. */
    search: key("search").notNull(),
    id: key("id").primaryKey(),
    /** Folded primary identifiers and names: what `order_by` sorts by. */
    emailKey: key("email_key"),
    phoneKey: key("phone_key"),
    usernameKey: key("username_key"),
    walletKey: key("wallet_key"),
    firstNameKey: key("first_name_key"),
    lastNameKey: key("last_name_key"),
    /** Folded first, last and "first last", joined by `\n`: what `name_query` looks at. */
    nameSearch: key("name_search").notNull(),
    externalId: key("external_id"),
    /** The distinct 1- and 2-character pieces of `search` that hold a character outside a-z0-9. */
    rareGrams: keys("rare_grams").notNull(),
    /** As Clerk spells them, for the SQL views. */
    username: key("username"),
    firstName: key("first_name"),
    lastName: key("last_name"),
    emailAddress: key("email_address"),
    phoneNumber: key("phone_number"),
    web3Wallet: key("web3_wallet"),
    imageUrl: key("image_url"),
  },
  (t) => [
    index("user_search_created_at").on(t.createdAt, t.id),
    index("user_search_email").on(t.emailKey, t.id),
    index("user_search_phone").on(t.phoneKey, t.id),
    index("user_search_username").on(t.usernameKey, t.id),
    index("user_search_wallet").on(t.walletKey, t.id),
    index("user_search_first_name").on(t.firstNameKey, t.id),
    index("user_search_last_name").on(t.lastNameKey, t.id),
    index("user_search_external_id").on(t.externalId),
    index("user_search_banned").on(t.createdAt, t.id).where(sql`${t.banned}`),
    index("user_search_rare_grams").using("gin", t.rareGrams),
  ],
);

/** The times that move with every visit, apart so that a visit doesn't touch `user_search`; one row per live user. */
export const userActivity = mirrorData.table(
  "user_activity",
  {
    id: key("id").primaryKey(),
    updatedAt: ms("updated_at").notNull(),
    lastActiveAt: ms("last_active_at"),
    lastSignInAt: ms("last_sign_in_at"),
  },
  (t) => [
    index("user_activity_updated_at").on(t.updatedAt, t.id),
    index("user_activity_last_active_at").on(t.lastActiveAt, t.id),
    index("user_activity_last_sign_in_at").on(t.lastSignInAt, t.id),
  ],
);

/** The three metadata objects for SQL and metadata filters; one row per live user. */
export const userMetadata = mirrorData.table(
  "user_metadata",
  {
    id: key("id").primaryKey(),
    publicMetadata: jsonb("public_metadata"),
    unsafeMetadata: jsonb("unsafe_metadata"),
    privateMetadata: jsonb("private_metadata"),
  },
  (t) => [
    index("user_metadata_public").using("gin", t.publicMetadata.op("jsonb_path_ops")),
    index("user_metadata_unsafe").using("gin", t.unsafeMetadata.op("jsonb_path_ops")),
    index("user_metadata_private").using("gin", t.privateMetadata.op("jsonb_path_ops")),
  ],
);

/**
 * Every identifier a live user owns, verified or not. `kind`: email, phone, username, wallet, account; an account's
 * value is `provider\nprovider_user_id`, the provider without `oauth_`. Never unique across users: events come in
 * any order, and a unique index would turn one late event into a failing batch.
 */
export const userIdentifiers = mirrorData.table(
  "user_identifiers",
  {
    userId: key("user_id").notNull(),
    kind: key("kind").notNull(),
    value: key("value").notNull(),
    folded: key("folded").notNull(),
    clerkId: key("clerk_id"),
    isPrimary: boolean("is_primary").notNull(),
    verificationStatus: key("verification_status"),
    createdAt: ms("created_at"),
    updatedAt: ms("updated_at"),
    /** The whole object, for the SQL view of external accounts. */
    detail: jsonb("detail"),
  },
  (t) => [
    primaryKey({ columns: [t.userId, t.kind, t.value] }),
    index("user_identifiers_folded").on(t.kind, t.folded, t.userId),
  ],
);

/** One row per organization id ever seen, or its tombstone. Written by `sync/apply.ts`. */
export const organizations = mirrorData.table("organizations", {
  id: key("id").primaryKey(),
  updatedAt: ms("updated_at").notNull().default(0),
  observedAt: ms("observed_at").notNull().default(0),
  source: smallint("source").notNull().default(0),
  deletedAt: ms("deleted_at"),
  payloadHash: key("payload_hash"),
  /** Without private metadata; `payloadSafe` as in `users`. */
  payload: text("payload"),
  payloadSafe: text("payload_safe"),
  privateMetadata: text("private_metadata"),
  privateOrder: key("private_order"),
  name: key("name"),
  slug: key("slug"),
  createdAt: ms("created_at"),
  publicMetadata: jsonb("public_metadata"),
});

/**
 * One row per membership id ever seen, or its final tombstone. The embedded organization and user data are copies in
 * Clerk's answers: they are left out here and joined when read. Readable only while neither its user nor its
 * organization is a tombstone (`query/memberships.ts`, views): cascading alone leaves orphans behind a race.
 */
export const organizationMemberships = mirrorData.table(
  "organization_memberships",
  {
    id: key("id").primaryKey(),
    organizationId: key("organization_id"),
    userId: key("user_id"),
    updatedAt: ms("updated_at").notNull().default(0),
    observedAt: ms("observed_at").notNull().default(0),
    source: smallint("source").notNull().default(0),
    deletedAt: ms("deleted_at"),
    payloadHash: key("payload_hash"),
    payload: text("payload"),
    payloadSafe: text("payload_safe"),
    privateMetadata: text("private_metadata"),
    privateOrder: key("private_order"),
    role: key("role"),
    createdAt: ms("created_at"),
    publicMetadata: jsonb("public_metadata"),
  },
  (t) => [
    index("organization_memberships_user").on(t.userId, t.createdAt, t.id),
    index("organization_memberships_organization").on(t.organizationId, t.userId),
  ],
);

/** Webhook messages seen, by Svix's message id: dedupe and audit, no content. Kept for 7 days. */
export const deliveries = mirrorData.table(
  "deliveries",
  {
    messageId: key("message_id").primaryKey(),
    type: key("type"),
    userId: key("user_id"),
    receivedAt: ms("received_at").notNull(),
    outcome: key("outcome").notNull(),
  },
  (t) => [index("deliveries_received_at").on(t.receivedAt)],
);

/** What could not be applied, whole, until it is replayed or dropped. Keyed by message id, or `walk:<user id>`. */
export const deadLetters = mirrorData.table("dead_letters", {
  id: key("id").primaryKey(),
  type: key("type"),
  userId: key("user_id"),
  /** The bytes as received, base64: they need not even be UTF-8. */
  payload: text("payload").notNull(),
  error: text("error").notNull(),
  attempts: integer("attempts").notNull().default(1),
  receivedAt: ms("received_at").notNull(),
  triedAt: ms("tried_at").notNull(),
});

/** What must be asked of Clerk again because what we were told can't decide; drained by every process. */
export const refetches = mirrorData.table(
  "refetches",
  {
    kind: key("kind").notNull(),
    id: key("id").notNull(),
    reason: key("reason").notNull(),
    since: ms("since").notNull(),
    attempts: integer("attempts").notNull().default(0),
    nextAt: ms("next_at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.kind, t.id] }), index("refetches_next_at").on(t.nextAt)],
);

/** Which Clerk this mirror holds: one row. Another one behind the same database would mix two sets of users. */
export const upstream = mirrorData.table(
  "upstream",
  {
    one: boolean("one").primaryKey().default(true),
    apiUrl: text("api_url").notNull(),
    environment: text("environment").notNull(),
    instanceId: text("instance_id"),
    /** When the first backfill finished; until then lists and counts are not served from here. */
    backfilledAt: ms("backfilled_at"),
    /** The moment up to which a walk has proved the mirror complete. */
    asOf: ms("as_of"),
    /** The newest `updated_at` that Clerk showed when the last successful walk began: the next one goes back to it. */
    watermark: ms("watermark"),
  },
  (t) => [check("upstream_one_row", sql`${t.one}`)],
);

/** A key that somebody made for a client. Only its digest is here: who reads this table can't use one. */
export const apiKeys = mirrorData.table(
  "api_keys",
  {
    id: key("id").primaryKey(),
    name: key("name").notNull(),
    /** SHA-256 of the key, hexadecimal. */
    digest: key("digest").notNull(),
    /** Separated by spaces. */
    scopes: key("scopes").notNull(),
    createdAt: ms("created_at").notNull(),
    revokedAt: ms("revoked_at"),
  },
  (t) => [
    uniqueIndex("api_keys_digest").on(t.digest),
    uniqueIndex("api_keys_name").on(t.name).where(sql`${t.revokedAt} is null`),
  ],
);

/** One backfill or reconcile, for status and for resuming. */
export const runs = mirrorData.table("runs", {
  id: key("id").primaryKey(),
  mode: key("mode").notNull(),
  state: key("state").notNull(),
  queuedAt: ms("queued_at").notNull(),
  startedAt: ms("started_at"),
  finishedAt: ms("finished_at"),
  usersSeen: integer("users_seen").notNull().default(0),
  usersExpected: integer("users_expected"),
  missedCreate: integer("missed_create").notNull().default(0),
  missedUpdate: integer("missed_update").notNull().default(0),
  missedDelete: integer("missed_delete").notNull().default(0),
  requests: integer("requests").notNull().default(0),
  error: text("error"),
});

/** One range of `created_at` that a run walks, with its checkpoint: the last user applied. */
export const windows = mirrorData.table(
  "windows",
  {
    runId: key("run_id").notNull(),
    /** users, organizations or memberships. */
    what: key("what").notNull(),
    position: integer("position").notNull(),
    afterMs: ms("after_ms"),
    beforeMs: ms("before_ms"),
    cursorId: key("cursor_id"),
    cursorCreatedAt: ms("cursor_created_at"),
    offset: integer("page_offset").notNull().default(0),
    done: boolean("done").notNull().default(false),
  },
  (t) => [primaryKey({ columns: [t.runId, t.what, t.position] })],
);

/** Exact row counts, moved in the commit that moves the rows. Names: users, organizations, memberships. */
export const counters = mirrorData.table("counters", {
  name: key("name").primaryKey(),
  n: ms("n").notNull().default(0),
});

/**
 * The change feed. Rows are inserted under an advisory lock held through commit, so that the order of positions is
 * the order of commits and of visibility. Kept for 7 days.
 */
export const changes = mirrorData.table(
  "changes",
  {
    position: bigint("position", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    type: key("type").notNull(),
    id: key("id").notNull(),
    version: ms("version").notNull(),
    at: ms("at").notNull(),
  },
  (t) => [index("changes_at").on(t.at)],
);
