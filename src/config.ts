import { availableParallelism } from "node:os";
import { z } from "zod";
import { completeConnection } from "./lib/connection/defaults.js";
import { connectionOptions } from "./lib/connection/options.js";
import {
  ConnectionStringError,
  formatConnectionString,
  parseConnectionString,
} from "./lib/connection/string.js";
import { AppError } from "./lib/errors.js";
import { type PolicyRule, parseFieldPolicy } from "./lib/field-policy/rules.js";
import { isOwnAddress } from "./lib/own-address.js";
import { howToRun } from "./lib/package.js";
import { readSecretFiles } from "./lib/secret-files.js";

/** Everything that the environment decides, parsed. Each module gets its slice of it, never the whole. */
export interface Config {
  clerk: {
    /** Null only for a command that doesn't need it. */
    secretKey: string | null;
    apiUrl: string;
    apiVersion: string;
    /** Webhooks of other instances are refused. Null: webhooks of every instance are accepted. */
    instanceId: string | null;
    webhookSecrets: string[];
  };
  /** `url` null: the embedded Postgres in `dataDir`. `notes`, for the log: the settings in the URL that are ignored. */
  database: { url: string | null; notes: string[]; poolMax: number; dataDir: string };
  /** 0: no cache. */
  cache: { maxBytes: number };
  /** How long the feed reaches back. */
  changes: { retentionMs: number };
  /** Whether the days are kept on which users were active. */
  history: { keepsActivity: boolean };
  /** What isn't stored of Clerk's objects, or stored as a hash that `key` keys. */
  fieldPolicy: { rules: PolicyRule[]; key: string | null };
  /** `openRoutes`: who reads metrics and the description of the API without a key. */
  server: { host: string; port: number; openRoutes: "loopback" | "all" | "none" };
  keys: { mirrorApiKey: string | null; acceptClerkSecretKey: boolean };
  /** `rateLimit` in requests per 10 seconds. */
  upstream: { rateLimit: number; backgroundShare: number; timeoutMs: number; lagMs: number };
  /** An interval of 0: runs only on demand. */
  reconcile: { intervalMs: number; fullIntervalMs: number; purgeLimit: number };
  log: { level: string; format: "json" | "pretty" };
  demo: { users: number; traffic: boolean };
}

export type ConfigWithSecretKey = Config & { clerk: { secretKey: string } };

export interface ConfigOptions {
  /** What the command can't work without. */
  needs: { secretKey: boolean };
  /** Whether a person reads the logs. Decides the default of `LOG_FORMAT`. */
  terminal?: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Parses the environment. Throws one `configuration` error that lists every problem with the variable's name, and never
 * a value, which might be a secret. An empty variable counts as absent.
 */
export function loadConfig(
  env: Environment,
  options: { needs: { secretKey: true }; terminal?: boolean },
): ConfigWithSecretKey;
export function loadConfig(env: Environment, options?: ConfigOptions): Config;
export function loadConfig(
  env: Environment,
  { needs, terminal = process.stdout.isTTY === true }: ConfigOptions = { needs: { secretKey: false } },
): Config {
  const { values: secrets, problems } = readSecretFiles(env, SECRETS);
  const given = Object.fromEntries(
    Object.keys(schema.shape).map((name) => [name, (secrets[name] ?? env[name])?.trim() || undefined]),
  );
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    problems.push(...parsed.error.issues.map(({ path, message }) => `${String(path[0])} ${message}`));
  }
  const keyMissing = !given.CLERK_SECRET_KEY && !env.CLERK_SECRET_KEY_FILE;
  if (needs.secretKey && keyMissing) problems.unshift(KEY_MISSING);
  const connection = given.DATABASE_URL ? connectionTo(given.DATABASE_URL, env) : NO_CONNECTION;
  if (connection.problem) problems.push(`DATABASE_URL ${connection.problem}`);
  if (parsed.data?.FIELD_POLICY.some(({ action }) => action === "hash") && !given.FIELD_POLICY_KEY) {
    problems.push(POLICY_KEY_MISSING);
  }
  if (needs.secretKey && asksItself(given)) problems.push(OWN_ADDRESS);
  if (!parsed.success || problems.length > 0) throw new AppError("configuration", problems.join("\n"));

  const values = parsed.data;
  return {
    clerk: {
      secretKey: values.CLERK_SECRET_KEY ?? null,
      apiUrl: values.CLERK_API_URL,
      apiVersion: values.CLERK_API_VERSION,
      instanceId: values.CLERK_INSTANCE_ID ?? null,
      webhookSecrets: values.CLERK_WEBHOOK_SIGNING_SECRET,
    },
    database: {
      url: connection.url,
      notes: connection.notes,
      poolMax: values.DATABASE_POOL_MAX ?? 4 * availableParallelism(),
      dataDir: values.DATA_DIR,
    },
    cache: { maxBytes: values.CACHE_MAX_BYTES },
    changes: { retentionMs: values.CHANGES_RETENTION },
    history: { keepsActivity: values.ACTIVITY_HISTORY },
    fieldPolicy: { rules: values.FIELD_POLICY, key: values.FIELD_POLICY_KEY ?? null },
    server: { host: values.HOST, port: values.PORT, openRoutes: values.OPEN_ROUTES },
    keys: {
      mirrorApiKey: values.MIRROR_API_KEY ?? null,
      acceptClerkSecretKey: values.ACCEPT_CLERK_SECRET_KEY,
    },
    upstream: {
      rateLimit: values.UPSTREAM_RATE_LIMIT ?? rateLimitOf(values.CLERK_SECRET_KEY),
      backgroundShare: values.UPSTREAM_BACKGROUND_SHARE,
      timeoutMs: values.UPSTREAM_TIMEOUT,
      lagMs: values.UPSTREAM_LAG,
    },
    reconcile: {
      intervalMs: values.RECONCILE_INTERVAL,
      fullIntervalMs: values.FULL_RECONCILE_INTERVAL,
      purgeLimit: values.PURGE_LIMIT,
    },
    log: { level: values.LOG_LEVEL, format: values.LOG_FORMAT ?? (terminal ? "pretty" : "json") },
    demo: { users: values.DEMO_USERS, traffic: values.DEMO_TRAFFIC },
  };
}

const KEY_MISSING =
  "CLERK_SECRET_KEY is not set. Copy it from the API keys page of Clerk's dashboard (sk_test_… or sk_live_…), " +
  `or run \`${howToRun("demo")}\`, which needs no Clerk account.`;

/** Variables whose value may also be in a file, named by the variable `NAME_FILE`. */
const SECRETS = [
  "CLERK_SECRET_KEY",
  "CLERK_WEBHOOK_SIGNING_SECRET",
  "DATABASE_URL",
  "MIRROR_API_KEY",
  "FIELD_POLICY_KEY",
] as const;

interface Connection {
  url: string | null;
  notes: string[];
  problem: string | null;
}

const NO_CONNECTION: Connection = { url: null, notes: [], problem: null };

/** The connection with everything that libpq would add to it, so that the environment isn't needed again. */
function connectionTo(text: string, env: Environment): Connection {
  try {
    const { values, notes } = parseConnectionString(text);
    const url = formatConnectionString(completeConnection(values, env));
    connectionOptions(url);
    return { url, notes, problem: null };
  } catch (error) {
    if (error instanceof ConnectionStringError) return { ...NO_CONNECTION, problem: error.message };
    throw error;
  }
}

/** False when one of these variables is invalid: that is reported by itself. */
function asksItself(given: Environment): boolean {
  const { data } = schema.pick({ CLERK_API_URL: true, HOST: true, PORT: true }).safeParse(given);
  return data !== undefined && isOwnAddress(data.CLERK_API_URL, { host: data.HOST, port: data.PORT });
}

const OWN_ADDRESS =
  "CLERK_API_URL is the mirror's own address (HOST and PORT): it would ask itself. Leave it out, so that the mirror asks " +
  "Clerk, and give this address to your application alone.";

const POLICY_KEY_MISSING =
  "FIELD_POLICY_KEY is not set, and FIELD_POLICY hashes: without a key, whoever has a list of addresses or numbers has their " +
  "hashes too. Set it to 16 random characters or more, and keep it: with another one the mirror must be filled anew.";

/** How many requests Clerk allows an instance in 10 seconds: 1000 in production, 100 in development. */
const rateLimitOf = (secretKey: string | undefined) => (secretKey?.startsWith("sk_live_") ? 1000 : 100);

/** In Node, a timer of 25 days fires at once. */
const MAX_TIMER_DAYS = 24;

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `500ms`, `60s`, `24h` … A number without a unit is refused, except 0. */
function duration({ atLeastMs = 0, atMostDays = MAX_TIMER_DAYS } = {}) {
  return z.string().transform((text, context) => {
    const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text === "0" ? "0s" : text) ?? [];
    if (amount === undefined || unit === undefined) {
      return refuse(context, "must be a duration such as 500ms, 60s or 24h");
    }
    const ms = Math.round(Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS]);
    if (ms < atLeastMs) return refuse(context, `must be at least ${atLeastMs}ms`);
    return ms <= atMostDays * UNIT_MS.d ? ms : refuse(context, `must be at most ${atMostDays}d`);
  });
}

const UNIT_BYTES = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
};

/** `64MiB`, `500MB`, `0`, or a number of bytes. */
function bytes() {
  return z.string().transform((text, context) => {
    const [, amount, unit = "B"] = /^(\d{1,12})(B|KiB|MiB|GiB|KB|MB|GB)?$/.exec(text) ?? [];
    const value = Number(amount ?? Number.NaN) * UNIT_BYTES[unit as keyof typeof UNIT_BYTES];
    return value <= 2 ** 40 ? value : refuse(context, "must be a size such as 64MiB, at most 1024GiB, or 0");
  });
}

function integer(min: number, max: number) {
  return z.string().transform((text, context) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max
      ? value
      : refuse(context, `must be a whole number from ${min} to ${max}`);
  });
}

/** A decimal fraction from 0 to 1. `above`: 0 itself is refused. */
function share({ above = false } = {}) {
  return z.string().transform((text, context) => {
    const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
    if ((above ? value > 0 : value >= 0) && value <= 1) return value;
    return refuse(context, above ? "must be a number above 0, at most 1" : "must be a number from 0 to 1");
  });
}

const FLAGS = new Map([
  ["true", true],
  ["on", true],
  ["1", true],
  ["false", false],
  ["off", false],
  ["0", false],
]);

const flag = z
  .string()
  .transform((text, context) => FLAGS.get(text.toLowerCase()) ?? refuse(context, "must be true or false"));

function oneOf<const Value extends string>(...values: Value[]) {
  return z
    .string()
    .transform(
      (text, context): Value =>
        values.find((value) => value === text) ?? refuse(context, `must be one of: ${values.join(", ")}`),
    );
}

const httpUrl = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : null;
  const bare = url && !url.username && !url.password && !url.search && !url.hash;
  return bare && /^https?:$/.test(url.protocol)
    ? url.href.replace(/\/+$/, "")
    : refuse(context, "must be a plain http:// or https:// address");
});

/** In the form that Clerk's SDKs take: they, like the mirror, add `/v1` to it. */
const apiUrl = httpUrl.transform((url, context) =>
  /\/v1$/i.test(url) ? refuse(context, "must be without /v1 at its end: the mirror adds it itself") : url,
);

const signingSecrets = z.string().transform((text, context) => {
  const secrets = text.split(/[\s,]+/).filter(Boolean);
  return secrets.length > 0 && secrets.every(isSigningSecret)
    ? secrets
    : refuse(context, "must be one or more whsec_… secrets (base64), separated by commas or spaces");
});

/** Only canonical base64: the library that verifies webhooks accepts other spellings too, but decodes them to a different key. */
function isSigningSecret(text: string): boolean {
  const encoded = text.replace(/^whsec_/, "");
  return encoded !== "" && Buffer.from(encoded, "base64").toString("base64") === encoded;
}

const fieldPolicy = z.string().transform((text, context) => {
  const { rules, problems } = parseFieldPolicy(text);
  return problems.length === 0 ? rules : refuse(context, problems.join("; "));
});

function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}

/** The characters that an Authorization header can carry. */
const TOKEN = /^[!-~]+$/;

const schema = z.object({
  CLERK_SECRET_KEY: z
    .string()
    .regex(/^sk_(test|live)_[!-~]+$/, "must be a secret key of Clerk's: sk_test_… or sk_live_…")
    .optional(),
  CLERK_WEBHOOK_SIGNING_SECRET: signingSecrets.default([]),
  CLERK_API_URL: apiUrl.default("https://api.clerk.com"),
  CLERK_API_VERSION: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/, "must be a version of Clerk's API such as 2026-05-12")
    .default("2026-05-12"),
  CLERK_INSTANCE_ID: z
    .string()
    .regex(/^ins_\w+$/, "must be an instance id: ins_…")
    .optional(),
  DATABASE_URL: z.string().optional(),
  DATABASE_POOL_MAX: integer(1, 1000).optional(),
  DATA_DIR: z.string().default(".data"),
  CHANGES_RETENTION: duration({ atLeastMs: UNIT_MS.h, atMostDays: 3650 }).default(7 * UNIT_MS.d),
  ACTIVITY_HISTORY: flag.default(true),
  FIELD_POLICY: fieldPolicy.default([]),
  FIELD_POLICY_KEY: z
    .string()
    .regex(/^[!-~]{16,}$/, "must be 16 visible ASCII characters or more")
    .optional(),
  CACHE_MAX_BYTES: bytes().default(64 * UNIT_BYTES.MiB),
  HOST: z.string().default("127.0.0.1"),
  PORT: integer(0, 65_535).default(8787),
  OPEN_ROUTES: oneOf("loopback", "all", "none").default("loopback"),
  MIRROR_API_KEY: z.string().regex(TOKEN, "must be visible ASCII characters without spaces").optional(),
  ACCEPT_CLERK_SECRET_KEY: flag.default(true),
  RECONCILE_INTERVAL: duration().default(60_000),
  FULL_RECONCILE_INTERVAL: duration().default(UNIT_MS.d),
  UPSTREAM_RATE_LIMIT: integer(1, 1_000_000).optional(),
  UPSTREAM_BACKGROUND_SHARE: share({ above: true }).default(0.5),
  UPSTREAM_TIMEOUT: duration({ atLeastMs: 100 }).default(30_000),
  UPSTREAM_LAG: duration().default(60_000),
  PURGE_LIMIT: share().default(0.05),
  LOG_LEVEL: oneOf("trace", "debug", "info", "warn", "error", "fatal", "silent").default("info"),
  LOG_FORMAT: oneOf("json", "pretty").optional(),
  DEMO_USERS: integer(1, 1_000_000).default(5000),
  DEMO_TRAFFIC: flag.default(true),
});
