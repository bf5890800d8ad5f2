import { availableParallelism } from "node:os";
import { type ExplainedVariable, explainConfig } from "./config/explain.js";
import { secretNames, variables } from "./config/variables.js";
import { completeConnection } from "./lib/connection/defaults.js";
import { connectionOptions } from "./lib/connection/options.js";
import {
  ConnectionStringError,
  formatConnectionString,
  parseConnectionString,
} from "./lib/connection/string.js";
import { AppError } from "./lib/errors.js";
import type { PolicyRule } from "./lib/field-policy/rules.js";
import { isOwnAddress } from "./lib/own-address.js";
import { howToRun } from "./lib/package.js";
import { readSecretFiles } from "./lib/secret-files.js";

/** Everything that the environment decides, parsed. Each module gets its slice of it, never the whole. */
export interface Config {
  /** Each variable with what holds, secrets masked: for people to look at. */
  explained: ExplainedVariable[];
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
  /** How long what couldn't be applied is kept after its last attempt. */
  deadLetters: { retentionMs: number };
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
  const { values: secrets, problems } = readSecretFiles(env, secretNames);
  const given = Object.fromEntries(
    Object.keys(variables.shape).map((name) => [name, (secrets[name] ?? env[name])?.trim() || undefined]),
  );
  const parsed = variables.safeParse(given);
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
    explained: explainConfig(env, new Set()),
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
    deadLetters: { retentionMs: values.DEAD_LETTERS_RETENTION },
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
  const { data } = variables.pick({ CLERK_API_URL: true, HOST: true, PORT: true }).safeParse(given);
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
