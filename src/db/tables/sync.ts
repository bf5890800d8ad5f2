import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  primaryKey,
  text,
  uniqueIndex,
} from "drizzle-orm/pg-core";
import { key, mirrorData, ms, timeOf } from "./columns.js";

/**
 * Webhook messages seen, by Svix's message id, to recognise repeats and for audit. Without their content. Kept for 7
 * days.
 */
export const deliveries = mirrorData.table(
  "deliveries",
  {
    messageId: key("message_id").primaryKey(),
    type: key("type"),
    userId: key("user_id"),
    receivedAt: ms("received_at").notNull(),
    outcome: key("outcome").notNull(),
  },
  // Rows come in the order of their time, so that ranges of pages tell where the old ones are. A B-tree would cost each webhook
  // an insertion for what is read once in ten minutes.
  (t) => [index("deliveries_age").using("brin", t.receivedAt)],
);

/**
 * How many deliveries there are by outcome: the sum over the slots. Triggers on `deliveries` move them, whoever
 * writes. A slot belongs to a connection, so that two batches don't wait for each other's commit.
 */
export const deliveryCounts = mirrorData.table(
  "delivery_counts",
  {
    outcome: key("outcome").notNull(),
    slot: integer("slot").notNull(),
    n: ms("n").notNull(),
  },
  (t) => [primaryKey({ columns: [t.outcome, t.slot] })],
);

/**
 * What could not be applied, whole, until it is replayed or dropped. Keyed by message id, or by `walk:<user id>`,
 * `walk:organization:<id>`, `walk:membership:<id>`.
 */
export const deadLetters = mirrorData.table("dead_letters", {
  id: key("id").primaryKey(),
  type: key("type"),
  userId: key("user_id"),
  /** The bytes as they were received, in base64: they need not even be UTF-8. */
  payload: text("payload").notNull(),
  error: text("error").notNull(),
  attempts: integer("attempts").notNull().default(1),
  receivedAt: ms("received_at").notNull(),
  triedAt: ms("tried_at").notNull(),
});

/**
 * Users that Clerk must be asked about, because what we were told doesn't settle how things stand. Every process
 * works on them.
 */
export const refetches = mirrorData.table(
  "refetches",
  {
    kind: key("kind").notNull(),
    id: key("id").notNull(),
    reason: key("reason").notNull(),
    since: ms("since").notNull(),
    attempts: integer("attempts").notNull().default(0),
    nextAt: ms("next_at").notNull(),
    /** Of a user who wasn't known yet: when sessions say that they were active and signed in, as pairs. Null: none has. */
    visits: jsonb("visits").$type<[lastActiveAtMs: number | null, lastSignInAtMs: number | null][]>(),
  },
  (t) => [primaryKey({ columns: [t.kind, t.id] }), index("refetches_next_at").on(t.nextAt)],
);

const NOW_MS = sql`(extract(epoch from clock_timestamp()) * 1000)::bigint`;

/**
 * The Clerk instance that this mirror holds: one row. With another instance behind the same database, two sets of
 * users would mix.
 */
export const upstream = mirrorData.table(
  "upstream",
  {
    one: boolean("one").primaryKey().default(true),
    apiUrl: text("api_url").notNull(),
    environment: text("environment").notNull(),
    instanceId: text("instance_id"),
    /** The fingerprint of the FIELD_POLICY under which everything here was stored. Null: none. */
    fieldPolicy: text("field_policy"),
    /** When the first backfill finished. Until then the mirror answers no lists and counts itself. */
    backfilledAt: ms("backfilled_at"),
    /** The moment up to which the mirror was proved complete. */
    asOf: ms("as_of"),
    /** The same for organizations and memberships. They have no count to compare, so only whole walks prove them. */
    membershipsAsOf: ms("memberships_as_of"),
    /**
     * The newest `updated_at` that Clerk showed when the last successful walk began. The next check reads back to it.
     */
    watermark: ms("watermark"),
    /** Whether Clerk's lists and counts respect bounds of `created_at`. Null: not tried yet. */
    keepsToBounds: boolean("keeps_to_bounds"),
    /** How many users Clerk counted, how many of the same age were here, and when. */
    counted: integer("counted"),
    countedHere: integer("counted_here"),
    countedAt: ms("counted_at"),
    /** Since when deletions are counted by day. */
    historySince: ms("history_since").notNull().default(NOW_MS),
    /** Since when the days are kept on which users were active. Null: they aren't (`ACTIVITY_HISTORY=off`). */
    activitySince: ms("activity_since").default(NOW_MS),
    /** Since that was turned on again: the last user whose stored times are marked as days. Null: everybody's are. */
    activityMarkedTo: key("activity_marked_to"),
    /** The first day since 1970 of whose activity Clerk wasn't asked after it had ended. Null: of none yet. */
    firstUnswept: integer("first_unswept"),
  },
  (t) => [check("upstream_one_row", sql`${t.one}`)],
);

/** A key that was made for a client. Only its digest is stored: reading this table gives nobody a key. */
export const apiKeys = mirrorData.table(
  "api_keys",
  {
    id: key("id").primaryKey(),
    name: key("name").notNull(),
    /** SHA-256 of the key, in hexadecimal. */
    digest: key("digest").notNull(),
    /** Separated by spaces. */
    scopes: key("scopes").notNull(),
    createdAt: ms("created_at").notNull(),
    revokedAt: ms("revoked_at"),
    /** What it may use of each process: requests a second, and requests at a time. Null: the default. */
    rate: integer("rate"),
    inFlight: integer("in_flight"),
    /** When it was last seen, to the minute. */
    lastUsedAt: ms("last_used_at"),
  },
  (t) => [
    uniqueIndex("api_keys_digest").on(t.digest),
    uniqueIndex("api_keys_name").on(t.name).where(sql`${t.revokedAt} is null`),
  ],
);

/**
 * Which process does the runs: one row a name. A process that takes over raises the epoch; whatever the one before
 * still writes is refused.
 */
export const leases = mirrorData.table("leases", {
  name: key("name").primaryKey(),
  /** The holder's name for people: host and process. */
  holder: text("holder").notNull(),
  epoch: ms("epoch").notNull(),
  /** By this server's own clock. */
  expiresAt: ms("expires_at").notNull(),
});

/** The requests that all processes have sent to Clerk lately, in one row. A process that asks for more locks it. */
export const budget = mirrorData.table(
  "budget",
  {
    one: boolean("one").primaryKey().default(true),
    /** As in `lib/quota.ts`. */
    spending: jsonb("spending").notNull(),
  },
  (t) => [check("budget_one_row", sql`${t.one}`)],
);

/** One backfill or reconcile. Any process may queue it; the process that holds the lease does it. */
export const runs = mirrorData.table(
  "runs",
  {
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
    /** Whether it may delete more than PURGE_LIMIT. */
    allowPurge: boolean("allow_purge").notNull().default(false),
    /** Whether it is spread over FULL_RECONCILE_INTERVAL, a window at a time. */
    rolling: boolean("rolling").notNull().default(false),
    /** How often it was begun. A run that its process doesn't survive is given up at last. */
    attempts: integer("attempts").notNull().default(0),
    /** The name of the key by which a person stopped it. Null: nobody did; where `state` is `stopped`, PURGE_LIMIT did. */
    stoppedBy: text("stopped_by"),
    /** The first users that were found to differ, by reason. */
    differenceIds: jsonb("difference_ids").notNull().default({}),
  },
  (t) => [
    index("runs_queued_at").on(t.queuedAt),
    index("runs_open").on(t.state).where(sql`${t.state} in ('queued', 'running')`),
  ],
);

/** One range of `created_at` that a run reads (without its bounds), and its checkpoint: the last user applied. */
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

/** Exact numbers of rows, moved by the commit that moves the rows. Names: users, organizations, memberships. */
export const counters = mirrorData.table("counters", {
  name: key("name").primaryKey(),
  n: ms("n").notNull().default(0),
});

/**
 * The change feed. Rows are inserted under an advisory lock that is held until the commit, so that the order of
 * positions is the order in which commits become visible. Kept for `CHANGES_RETENTION` (`sync/upkeep/retention.ts`).
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
  // As of `deliveries`: rows come in the order of their time.
  (t) => [index("changes_changed_at").using("brin", timeOf(t.at))],
);
