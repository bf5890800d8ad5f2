import { sql } from "drizzle-orm";
import { boolean, index, integer, jsonb, primaryKey, smallint, text } from "drizzle-orm/pg-core";
import { key, keys, mirrorData, ms, timeOf } from "./columns.js";

/** Gives `users.number`. */
export const userNumbers = mirrorData.sequence("user_numbers", {
  startWith: 0,
  minValue: 0,
  maxValue: 2 ** 31 - 1,
});

/**
 * One row per user id ever seen: the user as Clerk last described it, or its tombstone. Written by `sync/apply/apply.ts`
 * only. Nothing is indexed but what seldom changes, so that most updates stay on their page; filters use `user_search`.
 *
 * `payload` is the user's JSON without `private_metadata`, which stands in a column of its own and is spliced in at
 * `private_place` for those who may read it. Where `time_places` isn't null, the times that a visit changes are placeholders there:
 * the columns have them, and `time_places` says where they belong (`lib/user-text.ts`). `payload_safe` is what the SQL views show instead, where the payload may hold
 * private metadata deeper inside, or characters that jsonb can't (U+0000, lone surrogates; U+FFFD in their place).
 */
export const users = mirrorData.table(
  "users",
  {
    id: key("id").primaryKey(),
    // What a visit changes stands before the payload in the table: Postgres logs an update from the first byte that differs to
    // the last.
    updatedAt: ms("updated_at").notNull().default(0),
    observedAt: ms("observed_at").notNull().default(0),
    /**
     * The greatest times seen. They also stand in `user_activity`, whose indexes would make each update of this row
     * expensive.
     */
    lastActiveAt: ms("last_active_at"),
    lastSignInAt: ms("last_sign_in_at"),
    /** Rank of what told us: 0 a copy embedded in something else, 1 webhook, 2 an answer of Clerk's API. */
    source: smallint("source").notNull().default(0),
    /** When we learnt that the user was deleted. A tombstone keeps the id and times, and nothing personal. */
    deletedAt: ms("deleted_at"),
    /** A tombstone made by an erasure request. It never revives. */
    erased: boolean("erased").notNull().default(false),
    /** When Clerk was last asked whether this tombstone is wrong. */
    contradictedAt: ms("contradicted_at"),
    /** Null: not locked. `LOCKED_FOR_EVER`: without an end. Else the moment at which the lock ends. */
    lockedUntil: ms("locked_until"),
    privatePlace: integer("private_place"),
    timePlaces: key("time_places"),
    /** A hash of the order of the payload's keys: with another order the payload is written again. */
    keyOrder: integer("key_order"),
    /** The hash of the content without volatile fields, whatever the order of its keys. */
    payloadHash: key("payload_hash"),
    /**
     * Order keys of the snapshots that last spoke of private metadata and of `scim`, where that isn't this row's own
     * snapshot.
     */
    privateOrder: key("private_order"),
    scimOrder: key("scim_order"),
    payload: text("payload"),
    payloadSafe: text("payload_safe"),
    privateMetadata: text("private_metadata"),
    // As Clerk spells them, for SQL; the primary one where there are several. They stand behind the payload, where a visit doesn't
    // come; the longest one, which seldom changes, is the last, because it is logged only if it or what stands around it differs.
    username: key("username"),
    firstName: key("first_name"),
    lastName: key("last_name"),
    emailAddress: key("email_address"),
    phoneNumber: key("phone_number"),
    web3Wallet: key("web3_wallet"),
    imageUrl: key("image_url"),
    /**
     * The user's bit in `active_days`: there while the user exists, given in the order in which users are stored, and never to
     * anybody again. Who comes back gets another one.
     */
    number: integer("number").default(sql`nextval('mirror_data.user_numbers')`),
    /**
     * The days since 1970, UTC, under which `daily_users` counts this row as created and as deleted. A tombstone of somebody
     * of whom nothing else was ever heard is counted nowhere.
     */
    createdDay: integer("created_day"),
    deletedDay: integer("deleted_day"),
  },
  (t) => [
    index("users_locked_until").on(t.lockedUntil).where(sql`${t.lockedUntil} is not null`),
    index("users_deleted_at").on(t.deletedAt).where(sql`${t.deletedAt} is not null`),
    // What SQL asks for. An index of an expression has statistics only if it is of all rows, and without them a join by it is planned
    // as if it found thousands; `users_deleted_time` has some of its own (migration 0021).
    index("users_deleted_time").on(timeOf(t.deletedAt)).where(sql`${t.deletedAt} is not null`),
    index("users_email_address").on(t.emailAddress).where(sql`${t.emailAddress} is not null`),
    index("users_lower_email_address").on(sql`lower(${t.emailAddress})`),
    index("users_username").on(t.username).where(sql`${t.username} is not null`),
    index("users_phone_number").on(t.phoneNumber).where(sql`${t.phoneNumber} is not null`),
  ],
);

/**
 * What list, count and search read: one row per live user, written only when it differs. No index here has anything of a name, nor of
 * `search` as a whole, so that a changed name stays on its page and touches none of them: with names in two of these indexes it took
 * three times as long, and five times the WAL (`user_names`). The trigram indexes are made in `setup/search-index.ts`. Columns of a
 * fixed width come first and `search` right behind them, because a scan pays for every column that it steps over. Nothing stands here
 * that isn't read, because a scan pays for every byte: with twice the width a count of a common term takes twice as long.
 */
export const userSearch = mirrorData.table(
  "user_search",
  {
    createdAt: ms("created_at").notNull(),
    banned: boolean("banned").notNull(),
    passwordEnabled: boolean("password_enabled").notNull(),
    twoFactorEnabled: boolean("two_factor_enabled").notNull(),
    hasImage: boolean("has_image").notNull(),
    /**
     * Folded e-mail addresses, phone numbers, wallets, username, id, first name, last name and "first last", joined
     * by `\n`.
     */
    search: key("search").notNull(),
    id: key("id").primaryKey(),
    /** Folded primary identifiers and names: what `order_by` sorts by. */
    emailKey: key("email_key"),
    phoneKey: key("phone_key"),
    usernameKey: key("username_key"),
    walletKey: key("wallet_key"),
    firstNameKey: key("first_name_key"),
    lastNameKey: key("last_name_key"),
    /** Folded first name, last name and "first last", joined by `\n`: what `name_query` reads. */
    nameSearch: key("name_search").notNull(),
    externalId: key("external_id"),
    /** The domains of all e-mail addresses, folded, each once, in order. */
    emailDomains: keys("email_domains").notNull().default(sql`'{}'`),
    /** The providers of all linked accounts, without `oauth_`, each once, in order. */
    providers: keys("providers").notNull().default(sql`'{}'`),
    /** What stands before the id in `search`: e-mail addresses, phone numbers, wallets, username. */
    identifierSearch: key("identifier_search").notNull().default(""),
  },
  (t) => [
    index("user_search_created_at").on(t.createdAt, t.id),
    index("user_search_email").on(t.emailKey, t.id),
    index("user_search_phone").on(t.phoneKey, t.id),
    index("user_search_username").on(t.usernameKey, t.id),
    index("user_search_wallet").on(t.walletKey, t.id),
    index("user_search_external_id").on(t.externalId),
    index("user_search_banned").on(t.createdAt, t.id).where(sql`${t.banned}`),
    index("user_search_email_domains").using("gin", t.emailDomains),
    index("user_search_providers").using("gin", t.providers),
    // For SQL: the primary address's domain, as `mirror.users` shows it.
    index("user_search_email_domain").on(
      sql`split_part(${t.emailKey}, '@', case when ${t.emailKey} like '%@%' and ${t.emailKey} not like '%@' then -1 end)`,
    ),
  ],
);

/**
 * Finds users by their names, and has them in the order of these. One row per live user, a copy of columns of `user_search` that
 * triggers there keep (migration 0034), whichever version writes.
 */
export const userNames = mirrorData.table(
  "user_names",
  {
    id: key("id").primaryKey(),
    firstNameKey: key("first_name_key"),
    lastNameKey: key("last_name_key"),
    nameSearch: key("name_search").notNull(),
    /** So that whoever is found by a name and put in order by this needn't be looked up. */
    createdAt: ms("created_at").notNull(),
  },
  (t) => [
    index("user_names_first_name").on(t.firstNameKey, t.id),
    index("user_names_last_name").on(t.lastNameKey, t.id),
  ],
);

/**
 * Finds users by a part of their id (an index made in `setup/search-index.ts`). One row per live user, which is never written
 * again: each update would work all trigrams of the id in anew. A trigger on `user_search` fills it (migration 0032).
 */
export const userIds = mirrorData.table("user_ids", { id: key("id").primaryKey() });

/** Finds terms without a trigram. One row per live user. */
export const userGrams = mirrorData.table(
  "user_grams",
  {
    id: key("id").primaryKey(),
    /** The distinct 1- and 2-character pieces of the user's `search` that hold a character outside a-z0-9. */
    rareGrams: keys("rare_grams").notNull(),
  },
  (t) => [index("user_grams_rare_grams").using("gin", t.rareGrams)],
);

/**
 * The times that change with every visit, kept apart so that a visit doesn't touch `user_search`, and what is most asked
 * for beside them: the first time and the flags as in `user_search`, so that orders and counts by time read one narrow table.
 * They stand behind the times: a visit doesn't log them. One row per live user.
 */
export const userActivity = mirrorData.table(
  "user_activity",
  {
    id: key("id").primaryKey(),
    updatedAt: ms("updated_at").notNull(),
    lastActiveAt: ms("last_active_at"),
    lastSignInAt: ms("last_sign_in_at"),
    createdAt: ms("created_at").notNull().default(0),
    banned: boolean("banned").notNull().default(false),
    hasImage: boolean("has_image").notNull().default(false),
    passwordEnabled: boolean("password_enabled").notNull().default(false),
    twoFactorEnabled: boolean("two_factor_enabled").notNull().default(false),
    /** As in `users`: what counts users by the days on which they were active reads this table. */
    number: integer("number"),
  },
  (t) => [
    index("user_activity_updated_at").on(t.updatedAt, t.id),
    index("user_activity_last_active_at").on(t.lastActiveAt, t.id),
    index("user_activity_last_sign_in_at").on(t.lastSignInAt, t.id),
    // For SQL, whose times are `timestamptz`.
    index("user_activity_created_time").on(timeOf(t.createdAt)),
    index("user_activity_updated_time").on(timeOf(t.updatedAt)),
    index("user_activity_last_active_time").on(timeOf(t.lastActiveAt)),
    index("user_activity_last_sign_in_time").on(timeOf(t.lastSignInAt)),
  ],
);

/**
 * What only SQL and metadata filters read: the three metadata objects, and the time by which what is found is ordered and
 * counted. Narrow, because what no index knows is looked for from end to end. One row per live user. The database still has the
 * columns of names that migration 0016 moved to `users`, because processes of the version before write them; nobody reads them.
 */
export const userMetadata = mirrorData.table(
  "user_metadata",
  {
    id: key("id").primaryKey(),
    publicMetadata: jsonb("public_metadata"),
    unsafeMetadata: jsonb("unsafe_metadata"),
    privateMetadata: jsonb("private_metadata"),
    createdAt: ms("created_at").notNull().default(0),
  },
  (t) => [
    index("user_metadata_public").using("gin", t.publicMetadata.op("jsonb_path_ops")),
    index("user_metadata_unsafe").using("gin", t.unsafeMetadata.op("jsonb_path_ops")),
    index("user_metadata_private").using("gin", t.privateMetadata.op("jsonb_path_ops")),
  ],
);

/**
 * Every identifier a live user owns, verified or not. `kind`: email, phone, username, wallet, account; an account's
 * value is `provider\nprovider_user_id`, the provider without `oauth_`, or what tells it apart from another account with
 * the same (`sync/apply/derive.ts`). Never unique across users: events come in
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
    /** Of an e-mail address: what follows its last `@`, folded. Null: nothing does. */
    domain: key("domain"),
    /** Of a linked account: its e-mail address, folded. */
    accountEmail: key("account_email"),
  },
  (t) => [
    primaryKey({ columns: [t.userId, t.kind, t.value] }),
    index("user_identifiers_folded").on(t.kind, t.folded, t.userId),
    // For SQL. `lower(value)` has statistics of its own (migration 0021).
    index("user_identifiers_lower_email").on(sql`lower(${t.value})`).where(sql`${t.kind} = 'email'`),
    index("user_identifiers_domain").on(t.domain).where(sql`${t.kind} = 'email'`),
  ],
);
