// Covers src/upstream/readers.ts, src/runtime/request-queue.ts

import { afterEach, expect } from "vitest";
import { newKey } from "../../src/auth/stored-keys.js";
import { insertApiKey } from "../../src/db/api-keys.js";
import type { RunningServer } from "../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { type TestDatabase, test } from "../support/database.js";
import { startMirror } from "../support/mirror.js";

let sandbox: Sandbox;
let server: RunningServer;

afterEach(async () => {
  await server.stop();
  await sandbox.close();
});

async function reader({ database }: TestDatabase, name: string) {
  const { key, id, digest } = newKey();
  await insertApiKey(database.primary.orm, { id, name, digest, scopes: ["users:read"] });
  return (path: string, headers = {}) =>
    fetch(`${server.url}${path}`, { headers: { Authorization: `Bearer ${key}`, ...headers } });
}

test.for([
  ["asks for unknown users", (n: number) => [`/v1/users/user_unknown${n}`, {}] as const],
  [
    "has lists read from Clerk",
    (n: number) => [`/v1/users?limit=${n + 1}`, { "X-Mirror-Read": "upstream" }] as const,
  ],
] as const)(
  "a key that %s without end leaves requests to writers and to other keys",
  async ([, request], { db }) => {
    sandbox = await startSandbox({ users: 20, organizations: 1 });
    const env = { RECONCILE_INTERVAL: "0", UPSTREAM_RATE_LIMIT: "100" };
    server = await startMirror({ sandbox, databaseUrl: db.url, env });
    const [greedy, modest] = await Promise.all([reader(db, "greedy"), reader(db, "modest")]);

    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => {
        const [path, headers] = request(n);
        return greedy(path, headers);
      }),
    );
    const refused = answers.filter(({ status }) => status === 429);
    // Two fifths of all requests are the most that one key's reads may have within 10 seconds.
    expect(refused.length).toBeGreaterThanOrEqual(60);
    for (const answer of refused) expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(answers.length - refused.length).toBeGreaterThan(10);

    const users = sandbox.clerk.users().map(({ id }) => String(id));
    const written = await Promise.all(
      users.map((id) =>
        fetch(`${server.url}/v1/users/${id}/ban`, {
          method: "POST",
          headers: { Authorization: `Bearer ${sandbox.secretKey}` },
        }),
      ),
    );
    expect(new Set(written.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await modest("/v1/users/user_unknown")).status).toBe(404);
  },
);
