// Covers src/lib/secret-files.ts

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Webhook } from "svix";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
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
    server: { host: "127.0.0.1", port: 8787, openRoutes: "loopback" },
    keys: { mirrorApiKey: null, acceptClerkSecretKey: true },
    changes: { retentionMs: 7 * 86_400_000 },
    history: { keepsActivity: true },
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

test.each([
  ["CHANGES_RETENTION", "changes"],
  ["DEAD_LETTERS_RETENTION", "deadLetters"],
] as const)("%s is an hour at least, and may be years", (name, slice) => {
  const kept = (text: string) =>
    loadConfig({ CLERK_SECRET_KEY: SECRET_KEY, [name]: text }, served)[slice].retentionMs;
  expect(kept("1h")).toBe(3_600_000);
  expect(kept("365d")).toBe(365 * 86_400_000);
  for (const text of ["59m", "0", "week"]) {
    expect(problemsOf({ CLERK_SECRET_KEY: SECRET_KEY, [name]: text })).toMatch(
      new RegExp(`^${name} must be `),
    );
  }
});

test("keeps the days on which users were active unless told otherwise", () => {
  const historyOf = (ACTIVITY_HISTORY: string) =>
    loadConfig({ CLERK_SECRET_KEY: SECRET_KEY, ACTIVITY_HISTORY }, served).history;
  expect([historyOf("on"), historyOf("off")]).toEqual([{ keepsActivity: true }, { keepsActivity: false }]);
  expect(problemsOf({ CLERK_SECRET_KEY: SECRET_KEY, ACTIVITY_HISTORY: "never" })).toMatch(
    /^ACTIVITY_HISTORY must be /,
  );
});

test("opens what tells nothing about users on loopback, to all, or to none", () => {
  const opened = (text: string) =>
    loadConfig({ CLERK_SECRET_KEY: SECRET_KEY, OPEN_ROUTES: text }, served).server.openRoutes;
  expect(["loopback", "all", "none"].map(opened)).toEqual(["loopback", "all", "none"]);
  expect(problemsOf({ CLERK_SECRET_KEY: SECRET_KEY, OPEN_ROUTES: "everybody" })).toBe(
    "OPEN_ROUTES must be one of: loopback, all, none",
  );
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
    OPEN_ROUTES: "confidential",
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

describe("secrets from files", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "user-mirror-secrets-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string | Buffer) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  test("are read without the line break at their end", () => {
    const config = loadConfig(
      {
        CLERK_SECRET_KEY_FILE: file("key", "sk_live_abc\n"),
        CLERK_WEBHOOK_SIGNING_SECRET_FILE: file("webhook", "whsec_YWJj\r\nwhsec_YWI=\r\n"),
        DATABASE_URL_FILE: file("url", "postgres://ann:x@db.example.com/mirror\n"),
        MIRROR_API_KEY_FILE: file("api", "\ufeffum_key"),
      },
      served,
    );
    expect(config.clerk).toMatchObject({
      secretKey: "sk_live_abc",
      webhookSecrets: ["whsec_YWJj", "whsec_YWI="],
    });
    expect(config.keys.mirrorApiKey).toBe("um_key");
    expect(config.upstream.rateLimit).toBe(1000);
    expect(config.database.url).toContain("db.example.com");
  });

  test("are refused by name when they can't be read, all at once, and neither path nor content is printed", () => {
    mkdirSync(join(folder, "confidential"));
    const message = problemsOf({
      CLERK_SECRET_KEY: SECRET_KEY,
      CLERK_SECRET_KEY_FILE: file("key", "sk_test_confidential"),
      CLERK_WEBHOOK_SIGNING_SECRET_FILE: "whsec_confidential",
      DATABASE_URL_FILE: join(folder, "confidential"),
      MIRROR_API_KEY_FILE: file("confidential-large", Buffer.alloc(70_000, 97)),
    });
    expect(message.split("\n")).toEqual([
      "CLERK_SECRET_KEY_FILE and CLERK_SECRET_KEY are both set: leave one of them out",
      expect.stringMatching(/^CLERK_WEBHOOK_SIGNING_SECRET_FILE .*ENOENT/),
      expect.stringMatching(/^DATABASE_URL_FILE names a folder/),
      expect.stringMatching(/^MIRROR_API_KEY_FILE .*64 KiB/),
    ]);
    expect(message).not.toContain("confidential");
  });

  test.each(["", "\n", " \n "])("that hold %j are refused", (text) => {
    expect(problemsOf({ CLERK_SECRET_KEY_FILE: file("key", text) })).toBe(
      "CLERK_SECRET_KEY_FILE names a file that is empty",
    );
  });

  test("that never end, or whose names are impossible, are refused", () => {
    expect(problemsOf({ CLERK_SECRET_KEY_FILE: "/dev/zero" })).toMatch(/ordinary file/);
    expect(problemsOf({ CLERK_SECRET_KEY_FILE: "a\0b" })).toMatch(/^CLERK_SECRET_KEY_FILE .*can't be read/);
    expect(problemsOf({ CLERK_SECRET_KEY_FILE: "x".repeat(100_000) })).toMatch(/ENAMETOOLONG/);
  });

  test("that others own are refused", () => {
    if (process.getuid?.() === 0) return;
    const path = file("key", SECRET_KEY);
    chmodSync(path, 0);
    expect(problemsOf({ CLERK_SECRET_KEY_FILE: path })).toMatch(/EACCES/);
  });

  test("with a wrong value are named by the variable that they stand for", () => {
    expect(problemsOf({ CLERK_SECRET_KEY_FILE: file("key", "pk_confidential") })).toMatch(
      /^CLERK_SECRET_KEY must be a secret key/,
    );
  });
});

test.each([
  ["postgres://u:100%@h/d", /%25/],
  ["postgres://u:confidential@h:70000/d", /port/],
  ["postgres://u:confidential@h/d?sslmode=confidential", /sslmode/],
  ["postgres://u:confidential@h/d?sslrootcert=/confidential", /sslrootcert/],
  ["postgres://u:confidential@h/d?service=confidential", /service/],
  ["confidential", /postgres:\/\//],
])("refuses the DATABASE_URL %s by name", (url, reason) => {
  const message = problemsOf({ CLERK_SECRET_KEY: SECRET_KEY, DATABASE_URL: url });
  expect(message).toMatch(/^DATABASE_URL /);
  expect(message).toMatch(reason);
  expect(message).not.toContain("confidential");
});

test("whatever a variable holds, it is taken or refused by name, and not printed", () => {
  const names = Object.keys(loadableNames);
  const hostile = fc.oneof(
    fc.constantFrom(
      "NaN",
      "Infinity",
      "-1",
      "1e9",
      "1e309",
      "0x10",
      "٣",
      " ",
      "\t",
      "\0",
      "null",
      "a".repeat(100_000),
    ),
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.double().map(String),
  );
  fc.assert(
    fc.property(fc.constantFrom(...names), hostile, (name, value) => {
      const env = { [name]: value };
      try {
        loadConfig(env);
      } catch (error) {
        expect(error).toBeInstanceOf(AppError);
        expect((error as AppError).message).toMatch(new RegExp(`^${name} `));
        if (value.trim().length > 8) expect((error as AppError).message).not.toContain(value.trim());
      }
    }),
    { numRuns: 3000 },
  );
});
/** Those that are checked. */
const loadableNames = {
  ...{ CLERK_SECRET_KEY: 1, CLERK_WEBHOOK_SIGNING_SECRET: 1, CLERK_API_URL: 1, CLERK_API_VERSION: 1 },
  ...{
    CLERK_INSTANCE_ID: 1,
    DATABASE_URL: 1,
    DATABASE_POOL_MAX: 1,
    DATA_DIR: 1,
    CACHE_MAX_BYTES: 1,
    HOST: 1,
    PORT: 1,
  },
  ...{ MIRROR_API_KEY: 1, ACCEPT_CLERK_SECRET_KEY: 1, RECONCILE_INTERVAL: 1, FULL_RECONCILE_INTERVAL: 1 },
  ...{
    UPSTREAM_RATE_LIMIT: 1,
    UPSTREAM_BACKGROUND_SHARE: 1,
    UPSTREAM_TIMEOUT: 1,
    UPSTREAM_LAG: 1,
    PURGE_LIMIT: 1,
  },
  ...{ OPEN_ROUTES: 1, LOG_LEVEL: 1, LOG_FORMAT: 1, DEMO_USERS: 1, DEMO_TRAFFIC: 1 },
};

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

test("takes a field policy, and the key that hashes need", () => {
  const rules = (env: Record<string, string>) =>
    loadConfig({ CLERK_SECRET_KEY: SECRET_KEY, ...env }, served).fieldPolicy;
  expect(rules({})).toEqual({ rules: [], key: null });
  expect(rules({ FIELD_POLICY: "drop username, drop locale" }).rules).toHaveLength(2);
  const hashing = { CLERK_SECRET_KEY: SECRET_KEY, FIELD_POLICY: "hash username" };
  expect(rules({ ...hashing, FIELD_POLICY_KEY: "0123456789abcdef" }).key).toBe("0123456789abcdef");
  expect(problemsOf(hashing)).toMatch(/^FIELD_POLICY_KEY is not set, and FIELD_POLICY hashes/);
  expect(problemsOf({ ...hashing, FIELD_POLICY_KEY: "short" })).toBe(
    "FIELD_POLICY_KEY must be 16 visible ASCII characters or more",
  );
  const wrong = { CLERK_SECRET_KEY: SECRET_KEY, FIELD_POLICY: "drop id, mask username" };
  expect(problemsOf(wrong)).toMatch(/^FIELD_POLICY rule 1, "drop id": .*; rule 2, "mask username": /);
});
