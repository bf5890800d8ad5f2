import { sql } from "drizzle-orm";
import { index, jsonb, smallint, text } from "drizzle-orm/pg-core";
import { key, mirrorData, ms } from "./columns.js";

/** One row per organization id ever seen, or its tombstone. Written by `sync/apply/apply.ts`. */
export const organizations = mirrorData.table(
  "organizations",
  {
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
  },
  (t) => [index("organizations_deleted_at").on(t.deletedAt).where(sql`${t.deletedAt} is not null`)],
);

/**
 * One row per membership id ever seen, or its final tombstone. The embedded organization is a copy in Clerk's answers: it is
 * left out here and joined when read. The user's public data are kept, since they hold more than the user does, and what the
 * user's row proves newer is laid over them when read. Readable only while neither its user nor its
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
    /** What Clerk shows of the user to other members, as JSON; null: written before this was kept. */
    publicUserData: text("public_user_data"),
    role: key("role"),
    createdAt: ms("created_at"),
    publicMetadata: jsonb("public_metadata"),
  },
  (t) => [
    index("organization_memberships_user").on(t.userId, t.createdAt, t.id),
    index("organization_memberships_organization").on(t.organizationId, t.userId),
  ],
);
