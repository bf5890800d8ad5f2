import { bigint, boolean, date, integer, jsonb, pgSchema, text, timestamp } from "drizzle-orm/pg-core";

/**
 * The views of the schema `mirror` for Drizzle: live rows only, stable across versions. Join them with your own tables:
 *
 *     db.select().from(orders).innerJoin(mirrorUsers, eq(mirrorUsers.id, orders.userId))
 *
 * The schema itself isn't exported: drizzle-kit would create it in an application whose own schema exports these views too.
 */
const mirrorSchema = pgSchema("mirror");

const time = (name: string) => timestamp(name, { withTimezone: true });

/** One row per user that exists in Clerk. */
export const mirrorUsers = mirrorSchema
  .view("users", {
    id: text("id").notNull(),
    externalId: text("external_id"),
    username: text("username"),
    firstName: text("first_name"),
    lastName: text("last_name"),
    /** The primary one; all of them: `mirrorEmailAddresses`. */
    emailAddress: text("email_address"),
    /** The primary address's, in lower case. */
    emailDomain: text("email_domain"),
    phoneNumber: text("phone_number"),
    web3Wallet: text("web3_wallet"),
    imageUrl: text("image_url"),
    hasImage: boolean("has_image").notNull(),
    banned: boolean("banned").notNull(),
    /** At this moment: turns false by itself when the lock ends. */
    locked: boolean("locked").notNull(),
    passwordEnabled: boolean("password_enabled").notNull(),
    twoFactorEnabled: boolean("two_factor_enabled").notNull(),
    createdAt: time("created_at").notNull(),
    updatedAt: time("updated_at").notNull(),
    lastActiveAt: time("last_active_at"),
    lastSignInAt: time("last_sign_in_at"),
    publicMetadata: jsonb("public_metadata"),
    /** Written by the user's own browser: don't trust it. */
    unsafeMetadata: jsonb("unsafe_metadata"),
    /** The whole user as Clerk's API shows it, without private metadata. */
    data: jsonb("data").notNull(),
  })
  .existing();

/** Private metadata apart, so that it is granted apart. */
export const mirrorUserPrivateMetadata = mirrorSchema
  .view("user_private_metadata", { id: text("id").notNull(), privateMetadata: jsonb("private_metadata") })
  .existing();

const identifier = {
  id: text("id"),
  userId: text("user_id").notNull(),
  verificationStatus: text("verification_status"),
  createdAt: time("created_at"),
  updatedAt: time("updated_at"),
};

/** Every e-mail address of every user, verified or not. */
export const mirrorEmailAddresses = mirrorSchema
  .view("email_addresses", {
    ...identifier,
    emailAddress: text("email_address").notNull(),
    /** What follows the last @, in lower case. */
    domain: text("domain"),
    isPrimary: boolean("is_primary").notNull(),
  })
  .existing();

/** Every phone number of every user, verified or not. */
export const mirrorPhoneNumbers = mirrorSchema
  .view("phone_numbers", {
    ...identifier,
    phoneNumber: text("phone_number").notNull(),
    isPrimary: boolean("is_primary").notNull(),
  })
  .existing();

/** Every web3 wallet of every user, verified or not. */
export const mirrorWeb3Wallets = mirrorSchema
  .view("web3_wallets", {
    ...identifier,
    web3Wallet: text("web3_wallet").notNull(),
    isPrimary: boolean("is_primary").notNull(),
  })
  .existing();

/** Every linked account of every user. */
export const mirrorExternalAccounts = mirrorSchema
  .view("external_accounts", {
    ...identifier,
    /** For example `oauth_google`. */
    provider: text("provider"),
    providerUserId: text("provider_user_id"),
    emailAddress: text("email_address"),
    username: text("username"),
    firstName: text("first_name"),
    lastName: text("last_name"),
    /** The linked account's, not the user's. */
    publicMetadata: jsonb("public_metadata"),
  })
  .existing();

/** One row per organization that exists in Clerk and that the mirror has seen. */
export const mirrorOrganizations = mirrorSchema
  .view("organizations", {
    id: text("id").notNull(),
    name: text("name"),
    slug: text("slug"),
    publicMetadata: jsonb("public_metadata"),
    createdAt: time("created_at").notNull(),
    updatedAt: time("updated_at").notNull(),
    data: jsonb("data").notNull(),
  })
  .existing();

/** Who belongs to which organization, in which role. */
export const mirrorOrganizationMemberships = mirrorSchema
  .view("organization_memberships", {
    id: text("id").notNull(),
    organizationId: text("organization_id").notNull(),
    userId: text("user_id").notNull(),
    /** For example `org:admin`. */
    role: text("role"),
    /** The membership's own, not the user's. */
    publicMetadata: jsonb("public_metadata"),
    createdAt: time("created_at").notNull(),
    updatedAt: time("updated_at").notNull(),
    data: jsonb("data").notNull(),
  })
  .existing();

/** On which UTC days each user was active, as far as the mirror heard of it. */
export const mirrorUserActivityDays = mirrorSchema
  .view("user_activity_days", { userId: text("user_id").notNull(), day: date("day").notNull() })
  .existing();

/** One row for each UTC day from the first user's to today. */
export const mirrorDailyUsers = mirrorSchema
  .view("daily_users", {
    day: date("day").notNull(),
    /** How many there were at its end; today: how many there are. */
    users: integer("users").notNull(),
    created: integer("created").notNull(),
    /** Null before the mirror's first day. */
    deleted: integer("deleted"),
    /** Those deleted since too. Null before the mirror's first day, and where `ACTIVITY_HISTORY` is off. */
    active: integer("active"),
    /** Whether `active` agrees with Clerk's own number. */
    activeComplete: boolean("active_complete").notNull(),
  })
  .existing();

/** Whom Clerk has deleted, and when the mirror learnt of it: for copies that must forget them too. */
export const mirrorDeletedUsers = mirrorSchema
  .view("deleted_users", { id: text("id").notNull(), deletedAt: time("deleted_at").notNull() })
  .existing();

/** What has changed, in the order of commits: whoever has read up to a position misses nothing behind it. */
export const mirrorChanges = mirrorSchema
  .view("changes", {
    position: bigint("position", { mode: "number" }).notNull(),
    type: text("type", {
      enum: [
        "user.upserted",
        "user.deleted",
        "organization.upserted",
        "organization.deleted",
        "membership.upserted",
        "membership.deleted",
      ],
    }).notNull(),
    id: text("id").notNull(),
    /** Clerk's `updated_at` of what was stored, in milliseconds; 0 for a deletion. */
    version: bigint("version", { mode: "number" }).notNull(),
    changedAt: time("changed_at").notNull(),
  })
  .existing();
