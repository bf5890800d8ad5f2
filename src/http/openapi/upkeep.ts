import { z } from "zod";
import { SCOPES } from "../../auth/scopes.js";
import type { ShownKey } from "../../operations/keys.js";
import type { Status } from "../../operations/status.js";
import type { Run } from "../../sync/ledger/runs.js";
import type { ReplayStatus } from "../../sync/webhooks/replay.js";
import type { ShownVariable } from "../routes/admin.js";
import { component } from "./components.js";

/** Answers about the mirror itself. Times are milliseconds since 1970. */

const count = z.int().min(0);
const time = z.int();

const differences = component(
  "Differences",
  z.object({ missed_create: count, missed_update: count, missed_delete: count }),
);

export const run: z.ZodType<Run> = component(
  "Run",
  z.object({
    id: z.string(),
    mode: z.enum(["backfill", "full", "dry_run", "incremental", "drift", "sweep"]),
    state: z.enum(["queued", "running", "succeeded", "failed", "stopped"]),
    queued_at: time,
    started_at: time.nullable(),
    finished_at: time.nullable(),
    users: z.object({ seen: count, expected: count.nullable() }),
    windows: z.object({ total: count, done: count }),
    differences: differences.describe("By the kind of message that should have told the mirror."),
    difference_ids: z
      .partialRecord(z.enum(["missed_create", "missed_update", "missed_delete"]), z.array(z.string()))
      .describe("The first of them."),
    requests: count.describe("Requests to Clerk."),
    eta: time.nullable(),
    error: z.string().nullable(),
  }),
);
export const runs = component(
  "Runs",
  z.object({
    data: z.array(run),
    next: z.string().nullable().describe("As before, it leads to the next page. Null: there is none."),
  }),
);
export const windows = component(
  "Windows",
  z.object({
    data: z.array(
      z.object({
        ...{ position: count, created_after: time.nullable(), created_before: time.nullable() },
        ...{ done: z.boolean(), begun: z.boolean() },
      }),
    ),
    total: count,
  }),
);
export const queuedRun = component("QueuedRun", z.object({ run_id: z.string() }));

export const status: z.ZodType<Status> = component(
  "Status",
  z.object({
    state: z.enum(["backfilling", "live", "degraded"]),
    users: count,
    organizations: count,
    memberships: count,
    as_of: time.nullable().describe("Up to when a run proved the users complete."),
    memberships_as_of: time.nullable(),
    backfilled_at: time.nullable(),
    upstream: z
      .object({
        api_url: z.string(),
        environment: z.string(),
        instance_id: z.string().nullable(),
        users: count.nullable().describe("What Clerk counted when it was last asked."),
        users_here: count.nullable(),
        counted_at: time.nullable(),
      })
      .nullable(),
    activity: z
      .object({ since: time, complete_days: count, incomplete_days: z.array(z.string()) })
      .nullable()
      .describe("Of the last 30 days. Null: no days of activity are kept."),
    last_runs: z.array(run),
    drift: z
      .object({ found: differences, repaired: differences })
      .describe("What the runs of the last 7 days found, and repaired."),
    walker: z.object({ holder: z.string(), expires_at: time }).nullable(),
    budget: z.object({
      limit: count.nullable(),
      used: z
        .object({ urgent: count, background: count, reads: z.exactOptional(count) })
        .describe("Requests granted in the last 10 seconds; reads are among the urgent ones."),
      share: z.number().min(0),
      paused_until: time.nullable(),
    }),
    cache: z
      .object({
        ...{ in_use: z.boolean(), entries: count, bytes: count },
        ...{ max_bytes: count, hits: count, misses: count },
      })
      .nullable(),
    dead_letters: count,
    refetches: count,
    webhooks: z.object({
      configured: z.boolean().nullable(),
      outcomes: z.record(z.string(), count).describe("Of the last 7 days."),
      per_second: z.number().nullable(),
    }),
    lag: z
      .object({ p50: count, p95: count, p99: count })
      .nullable()
      .describe("Milliseconds from an event at Clerk until it can be read here, of the last ten minutes."),
    versions: z.object({ mirror: z.string(), node: z.string(), postgres: z.string() }),
    database: z.object({
      embedded: z.object({ location: z.string(), locale: z.string() }).nullable(),
    }),
  }),
);

const letter = {
  id: z.string(),
  kind: z.enum(["user", "organization", "membership"]).nullable(),
  type: z.string().nullable().describe("Of the webhook. Null: Clerk answered it."),
  user_id: z.string().nullable(),
  error: z.string(),
  attempts: count,
  received_at: time,
  tried_at: time,
};
export const deadLetter = component(
  "DeadLetterWithContent",
  z.object({
    ...letter,
    bytes: count,
    content: z.string().nullable().describe("Null: it may not be shown to this key."),
    content_encoding: z.enum(["utf8", "base64"]).nullable(),
    content_cut: z.boolean().describe("Whether there is more of it."),
  }),
);
export const deadLetters = component(
  "DeadLetters",
  z.object({
    data: z.array(component("DeadLetter", z.object(letter))).describe("The oldest first, 500 at most."),
  }),
);
const REPLAYED = ["applied", "duplicate", "stale", "ignored", "dead_lettered", "queued"] as const;
const replayStatus: z.ZodType<ReplayStatus> = z.enum(REPLAYED);
export const replayed = component("Replayed", z.object({ id: z.string(), status: replayStatus }));
export const dropped = component("Dropped", z.object({ id: z.string(), deleted: z.literal(true) }));

const shownKey: z.ZodType<ShownKey> = component(
  "Key",
  z.object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.string()),
    rate: count.describe("Requests a second that each process lets through."),
    in_flight: count.describe("Requests at a time."),
    created_at: time,
    revoked_at: time.nullable(),
    last_used_at: time.nullable().describe("To the minute. Null: never, or long ago."),
  }),
);
export const revokedKey = shownKey;
export const keys = component(
  "Keys",
  z.object({
    data: z
      .array(shownKey)
      .describe("The newest first: those in use, and the thousand that were revoked last."),
  }),
);
export const createdKey = component(
  "CreatedKey",
  z.object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.enum(SCOPES)),
    rate: count,
    in_flight: count,
    key: z.string().describe("Shown this once."),
  }),
);

const variable: z.ZodType<ShownVariable> = component(
  "Variable",
  z.object({
    ...{ name: z.string(), description: z.string(), value: z.string().nullable() },
    ...{ default: z.string(), source: z.string(), secret: z.boolean() },
  }),
);
export const configuration = component("Configuration", z.object({ data: z.array(variable) }));

export const alive = component("Alive", z.object({ status: z.literal("ok") }));
export const ready = component("Ready", z.object({ state: z.enum(["live", "backfilling", "degraded"]) }));
export const webhookAnswer = component(
  "WebhookAnswer",
  z.object({ status: z.enum(["applied", "duplicate", "stale", "ignored", "dead_lettered"]) }),
);
