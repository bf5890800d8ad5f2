import fc from "fast-check";
import { Webhook } from "svix";
import { expect, test } from "vitest";
import { loadConfig } from "../src/config.js";
import { AppError } from "../src/lib/errors.js";

const SECRET_KEY = "sk_test_abc";
const served = { needs: { secretKey: true as const }, terminal: false };

function problemsOf(env: Record<string, string>, options: Parameters<typeof loadConfig>[1] = served): string {
  try {
    loadConfig(env, options);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect((error as AppError).code).toBe("configuration");
    return (error as AppError).message;
  }
  throw new Error("the environment was taken");
}

test("has the documented defaults", () => {
  const config = loadConfig({ CLERK_SECRET_KEY: SECRET_KEY }, served);
  expect(config).toMatchObject({
    clerk: {
      secretKey: SECRET_KEY,
      apiUrl: "https://api.clerk.com",
      apiVersion: "2026-05-12",
      instanceId: null,
      webhookSecrets: [],
    },
    database: { url: null, dataDir: ".data" },
    server: { host: "127.0.0.1", port: 8787 },
    keys: { mirrorApiKey: null, acceptClerkSecretKey: true },
    upstream: { rateLimit: 100, backgroundShare: 0.5, timeoutMs: 30_000, lagMs: 60_000 },
    reconcile: { fullIntervalMs: 86_400_000, purgeLimit: 0.05 },
    log: { level: "info", format: "json" },
    demo: { users: 5000, traffic: true },
  });
  expect(config.database.poolMax % 4).toBe(0);
});

test("spends what Clerk allows a production instance when the key is live", () => {
  expect(loadConfig({ CLERK_SECRET_KEY: "sk_live_abc" }, served).upstream.rateLimit).toBe(1000);
});

test("logs for people on a terminal, unless told otherwise", () => {
  expect(loadConfig({}, { needs: { secretKey: false }, terminal: true }).log.format).toBe("pretty");
  const env = { LOG_FORMAT: "json" };
  expect(loadConfig(env, { needs: { secretKey: false }, terminal: true }).log.format).toBe("json");
});

test("names the missing key and the demo, only to commands that need the key", () => {
  expect(problemsOf({})).toMatch(/^CLERK_SECRET_KEY is not set.*npm run demo/);
  expect(loadConfig({}, { needs: { secretKey: false } }).clerk.secretKey).toBeNull();
});

test("counts an empty variable as absent", () => {
  expect(problemsOf({ CLERK_SECRET_KEY: " " })).toContain("CLERK_SECRET_KEY is not set");
  expect(loadConfig({ CLERK_SECRET_KEY: SECRET_KEY, PORT: "", DATABASE_URL: "" }, served).server.port).toBe(
    8787,
  );
});

test("reports every problem at once, by name, and prints no value", () => {
  const wrong = {
    CLERK_SECRET_KEY: "pk_live_confidential",
    CLERK_WEBHOOK_SIGNING_SECRET: "whsec_YWJj whsec_!confidential",
    CLERK_API_URL: "https://confidential:confidential@api.clerk.com",
    CLERK_API_VERSION: "confidential",
    CLERK_INSTANCE_ID: "confidential!",
    DATABASE_URL: "mysql://confidential@host",
    DATABASE_POOL_MAX: "0",
    MIRROR_API_KEY: "confidential with spaces",
    ACCEPT_CLERK_SECRET_KEY: "confidential",
    PORT: "65536",
    FULL_RECONCILE_INTERVAL: "60",
    UPSTREAM_RATE_LIMIT: "1e3",
    UPSTREAM_BACKGROUND_SHARE: "0",
    UPSTREAM_TIMEOUT: "0",
    UPSTREAM_LAG: "-1s",
    PURGE_LIMIT: "5%",
    LOG_LEVEL: "confidential",
    LOG_FORMAT: "confidential",
    DEMO_USERS: "many",
    DEMO_TRAFFIC: "confidential",
  };
  const message = problemsOf(wrong);
  expect(
    message
      .split("\n")
      .map((line) => line.split(" ")[0])
      .sort(),
  ).toEqual(Object.keys(wrong).sort());
  expect(message).not.toContain("confidential");
});

test.each([
  ["0", 0],
  ["0s", 0],
  ["500ms", 500],
  ["1.5s", 1500],
  ["60s", 60_000],
  ["5m", 300_000],
  ["24h", 86_400_000],
  ["7d", 604_800_000],
])("reads the duration %s", (text, ms) => {
  const config = loadConfig({ FULL_RECONCILE_INTERVAL: text });
  expect(config.reconcile.fullIntervalMs).toBe(ms);
});

test.each(["60", "s", "1 h", "1w", "1e3s", "25d", "١s"])("refuses the duration %s", (text) => {
  expect(problemsOf({ UPSTREAM_LAG: text }, { needs: { secretKey: false } })).toMatch(
    /^UPSTREAM_LAG must be/,
  );
});

test("takes several signing secrets, separated by commas or spaces", () => {
  const env = { CLERK_WEBHOOK_SIGNING_SECRET: "whsec_YWJj, whsec_YWI=\n  ZGVm" };
  expect(loadConfig(env).clerk.webhookSecrets).toEqual(["whsec_YWJj", "whsec_YWI=", "ZGVm"]);
});

test("takes every properly spelled signing secret, and none that the verifying library refuses", () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(bytes, (key) => {
      const secret = `whsec_${Buffer.from(key).toString("base64")}`;
      expect(loadConfig({ CLERK_WEBHOOK_SIGNING_SECRET: secret }).clerk.webhookSecrets).toEqual([secret]);
    }),
  );
  fc.assert(
    fc.property(fc.stringMatching(/^(whsec_)?[A-Za-z0-9+/=_-]{0,9}$/), (secret) => {
      fc.pre(takes(() => loadConfig({ CLERK_WEBHOOK_SIGNING_SECRET: secret })) && secret !== "");
      new Webhook(secret);
    }),
  );
});

test("keeps a path in CLERK_API_URL and drops the slash at its end", () => {
  expect(loadConfig({ CLERK_API_URL: "http://127.0.0.1:4000/clerk/" }).clerk.apiUrl).toBe(
    "http://127.0.0.1:4000/clerk",
  );
});

function takes(what: () => unknown): boolean {
  try {
    what();
    return true;
  } catch {
    return false;
  }
}

test("refuses the mirror's own address as Clerk's, as in an .env that is shared with the application", () => {
  const env = { CLERK_SECRET_KEY: SECRET_KEY, CLERK_API_URL: "http://localhost:8787" };
  expect(problemsOf(env)).toMatch(/^CLERK_API_URL is the mirror's own address/);
  expect(problemsOf({ ...env, RECONCILE_INTERVAL: "60" })).toMatch(/^RECONCILE_INTERVAL .*\nCLERK_API_URL/s);
  expect(problemsOf({ ...env, CLERK_API_URL: "http://127.0.0.1:9", HOST: "0.0.0.0", PORT: "9" })).toContain(
    "own",
  );
  expect(loadConfig({ ...env, PORT: "8788" }, served).clerk.apiUrl).toBe("http://localhost:8787");
  expect(loadConfig(env, { needs: { secretKey: false } }).server.port).toBe(8787);
});

test.each(["https://api.clerk.com/v1", "https://api.clerk.com/v1/", "http://gateway/clerk/V1//"])(
  "refuses %s for Clerk's address by name: /v1 is added to it",
  (url) => {
    const problems = problemsOf({ CLERK_SECRET_KEY: SECRET_KEY, CLERK_API_URL: url });
    expect(problems).toMatch(/^CLERK_API_URL must be without \/v1/);
  },
);

test("takes a prefix before /v1 for Clerk's address", () => {
  const env = { CLERK_SECRET_KEY: SECRET_KEY, CLERK_API_URL: "https://gateway/clerk/" };
  expect(loadConfig(env, served).clerk.apiUrl).toBe("https://gateway/clerk");
});
