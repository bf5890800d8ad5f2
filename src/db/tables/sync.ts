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
import { key, mirrorData, ms } from "./columns.js";

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

/**
 * How many deliveries there are by outcome: the sum over the slots. Moved by triggers on `deliveries`, whoever writes them;
 * a slot belongs to a connection, so that two batches don't wait for each other's commit.
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

/** What could not be applied, whole, until it is replayed or dropped. Keyed by message id, or `walk:<user id>`, `walk:organization:<id>`, `walk:membership:<id>`. */
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
    /** The same for organizations and memberships, which have no count to compare and are proved by whole walks alone. */
    membershipsAsOf: ms("memberships_as_of"),
    /** The newest `updated_at` that Clerk showed when the last successful walk began: the next one goes back to it. */
    watermark: ms("watermark"),
    /** Whether its lists and counts keep to bounds of `created_at`; null: not looked at yet. */
    keepsToBounds: boolean("keeps_to_bounds"),
    /** How many users Clerk counted, how many of the same age were here, and when. */
    counted: integer("counted"),
    countedHere: integer("counted_here"),
    countedAt: ms("counted_at"),
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
    /** What it may use of each process: requests a second, and at a time; null: the default. */
    rate: integer("rate"),
    inFlight: integer("in_flight"),
  },
  (t) => [
    uniqueIndex("api_keys_digest").on(t.digest),
    uniqueIndex("api_keys_name").on(t.name).where(sql`${t.revokedAt} is null`),
  ],
);

/** Who walks: one row a name. Whoever takes it over raises the epoch, and what the one before still writes is refused. */
export const leases = mirrorData.table("leases", {
  name: key("name").primaryKey(),
  /** A name for people: host and process. */
  holder: text("holder").notNull(),
  epoch: ms("epoch").notNull(),
  /** By this server's own clock. */
  expiresAt: ms("expires_at").notNull(),
});

/** The requests that all processes have sent to Clerk lately, in one row: whoever asks for more locks it. */
export const budget = mirrorData.table(
  "budget",
  {
    one: boolean("one").primaryKey().default(true),
    /** As in `lib/quota.ts`. */
    spending: jsonb("spending").notNull(),
  },
  (t) => [check("budget_one_row", sql`${t.one}`)],
);

/** One backfill or reconcile: queued by any process, executed by the one that holds the lease. */
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
    /** May delete more than PURGE_LIMIT. */
    allowPurge: boolean("allow_purge").notNull().default(false),
    /** Spread over FULL_RECONCILE_INTERVAL, a window at a time. */
    rolling: boolean("rolling").notNull().default(false),
    /** How often it was begun: one that its process doesn't survive is given up at last. */
    attempts: integer("attempts").notNull().default(0),
    /** The first users found different, by reason. */
    differenceIds: jsonb("difference_ids").notNull().default({}),
  },
  (t) => [
    index("runs_queued_at").on(t.queuedAt),
    index("runs_open").on(t.state).where(sql`${t.state} in ('queued', 'running')`),
  ],
);

/** One range of `created_at` that a run walks (bounds excluded), with its checkpoint: the last user applied. */
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
