import { z } from "zod";
import { LOG_LEVELS } from "../observability/logger.js";
import {
  apiUrl,
  bytes,
  duration,
  fieldPolicy,
  flag,
  integer,
  oneOf,
  share,
  signingSecrets,
} from "./values.js";

/** What is said of a variable beside how it is read. */
export interface About {
  description: string;
  /** It may also be in a file that `NAME_FILE` names, and is never printed. */
  isSecret?: boolean;
  /** What holds where it isn't set, if no value of the variable's own says so. */
  otherwise?: string;
}

const about = <Schema extends z.ZodType>(
  schema: Schema,
  description: string,
  more: Omit<About, "description"> = {},
): Schema => schema.meta({ description, ...more }) as Schema;

const SECRET = { isSecret: true };

/** The characters that an Authorization header can carry. */
const TOKEN = /^[!-~]+$/;

const matching = (pattern: RegExp, message: string) => z.string().regex(pattern, message);

/** Every variable that is read, with its default as one would write it. */
export const variables = z.object({
  CLERK_SECRET_KEY: about(
    matching(/^sk_(test|live)_[!-~]+$/, "must be a secret key of Clerk's: sk_test_… or sk_live_…").optional(),
    "the secret key of your Clerk instance",
    { ...SECRET, otherwise: "required by what asks Clerk" },
  ),
  CLERK_WEBHOOK_SIGNING_SECRET: about(
    signingSecrets.default([]),
    "the signing secret of the webhook endpoint, whsec_…; several while one is replaced",
    { ...SECRET, otherwise: "no webhooks: changes arrive with the next check" },
  ),
  CLERK_API_URL: about(apiUrl.prefault("https://api.clerk.com"), "where Clerk is, without /v1"),
  CLERK_API_VERSION: about(
    matching(/^\d{4}-\d{2}-\d{2}$/, "must be a version of Clerk's API such as 2026-05-12").prefault(
      "2026-05-12",
    ),
    "the version of Clerk's API that the mirror's own reads ask for",
  ),
  CLERK_INSTANCE_ID: about(
    matching(/^ins_\w+$/, "must be an instance id: ins_…").optional(),
    "webhooks of another instance are refused",
    { otherwise: "webhooks of every instance are taken" },
  ),
  DATABASE_URL: about(z.string().optional(), "PostgreSQL 15 or later, as psql takes it", {
    ...SECRET,
    otherwise: "an embedded Postgres in DATA_DIR",
  }),
  DATABASE_POOL_MAX: about(integer(1, 1000).optional(), "connections of one process", {
    otherwise: "4 for each core",
  }),
  DATA_DIR: about(z.string().prefault(".data"), "where the embedded Postgres lives"),
  CHANGES_RETENTION: about(
    duration({ atLeastMs: 3_600_000, atMostDays: 3650 }).prefault("7d"),
    "how far back /mirror/changes reaches",
  ),
  DEAD_LETTERS_RETENTION: about(
    duration({ atLeastMs: 3_600_000, atMostDays: 3650 }).prefault("30d"),
    "how long a dead letter is kept after its last attempt",
  ),
  ACTIVITY_HISTORY: about(flag.prefault("on"), "whether the days are kept on which users were active"),
  FIELD_POLICY: about(
    fieldPolicy.default([]),
    "members of Clerk's objects that are dropped or hashed before anything is stored",
    { otherwise: "everything is stored" },
  ),
  FIELD_POLICY_KEY: about(
    matching(/^[!-~]{16,}$/, "must be 16 visible ASCII characters or more").optional(),
    "what hashes of FIELD_POLICY are keyed with",
    { ...SECRET, otherwise: "required where FIELD_POLICY hashes" },
  ),
  CACHE_MAX_BYTES: about(bytes().prefault("64MiB"), "how much the cache of users may hold; 0: no cache"),
  HOST: about(z.string().prefault("127.0.0.1"), "the address on which it listens"),
  PORT: about(integer(0, 65_535).prefault("8787"), "the port on which it listens; 0: a free one"),
  OPEN_ROUTES: about(
    oneOf("loopback", "all", "none").prefault("loopback"),
    "who reads /metrics, /openapi.json and /docs without a key",
  ),
  MIRROR_API_KEY: about(
    matching(TOKEN, "must be visible ASCII characters without spaces").optional(),
    "a key of the mirror's own with every right",
    { ...SECRET, otherwise: "only keys of `user-mirror keys`" },
  ),
  ACCEPT_CLERK_SECRET_KEY: about(flag.prefault("true"), "whether CLERK_SECRET_KEY itself is taken as a key"),
  RECONCILE_INTERVAL: about(
    duration().prefault("60s"),
    "how often recent changes and counts are compared with Clerk; 0: on demand",
  ),
  FULL_RECONCILE_INTERVAL: about(
    duration().prefault("24h"),
    "the time within which every user is compared; 0: on demand",
  ),
  UPSTREAM_RATE_LIMIT: about(
    integer(1, 1_000_000).optional(),
    "requests in 10 seconds that all processes together may send to Clerk",
    { otherwise: "1000 with a key sk_live_…, 100 with sk_test_…" },
  ),
  UPSTREAM_BACKGROUND_SHARE: about(
    share({ above: true }).prefault("0.5"),
    "how much of that limit backfill and comparisons may take",
  ),
  UPSTREAM_TIMEOUT: about(duration({ atLeastMs: 100 }).prefault("30s"), "the limit of one request to Clerk"),
  UPSTREAM_LAG: about(duration().prefault("60s"), "how far Clerk's lists may trail its writes"),
  PURGE_LIMIT: about(
    share().prefault("0.05"),
    "comparisons that would delete a larger share of all users stop and ask",
  ),
  LOG_LEVEL: about(
    oneOf(...LOG_LEVELS).prefault("info"),
    "how much is logged; audit lines always are, but at silent",
  ),
  LOG_FORMAT: about(oneOf("json", "pretty").optional(), "the form of log lines", {
    otherwise: "pretty on a terminal, else json",
  }),
  DEMO_USERS: about(integer(1, 1_000_000).prefault("5000"), "users of `npm run demo`"),
  DEMO_TRAFFIC: about(flag.prefault("on"), "whether something happens in the demo"),
});

export type VariableName = keyof typeof variables.shape;

export const aboutOf = (name: VariableName): About => variables.shape[name].meta() as unknown as About;

/** As one would write it. Null: see `otherwise`. */
export function defaultOf(name: VariableName): string | null {
  const { def } = variables.shape[name];
  return def.type === "prefault" ? String(def.defaultValue) : null;
}

export const variableNames = Object.keys(variables.shape) as VariableName[];

/** Variables whose value may also be in a file, named by the variable `NAME_FILE`. */
export const secretNames = variableNames.filter((name) => aboutOf(name).isSecret);
