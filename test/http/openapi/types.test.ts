// Covers src/http/openapi/document.ts

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openApi } from "../../../src/http/openapi/document.js";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..", "..");
const modules = join(root, "node_modules");
const folder = mkdtempSync(join(tmpdir(), "user-mirror-types-"));

/** What an application makes of the description: types, by the generator that most use. */
beforeAll(async () => {
  symlinkSync(modules, join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "openapi.json"), JSON.stringify(openApi()));
  const hook = join(root, "test", "support", "typescript-6.mjs");
  const generator = join(modules, "openapi-typescript", "bin", "cli.js");
  await run(process.execPath, ["--import", hook, generator, "openapi.json", "-o", "mirror.d.ts"], {
    cwd: folder,
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the compiler says of a program; empty: nothing is wrong with it. */
async function compile(program: string): Promise<string> {
  writeFileSync(join(folder, "program.ts"), program);
  const options = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2023", "--types", "node"];
  const args = [join(modules, "typescript", "bin", "tsc"), ...options, "program.ts", "mirror.d.ts"];
  return run(process.execPath, args, { cwd: folder }).then(
    () => "",
    ({ stdout }) => stdout,
  );
}

/** What the documentation shows. */
const [, documented = ""] =
  /^```ts\n(.*?)^```/ms.exec(readFileSync(join(root, "docs", "how-to", "api.md"), "utf8")) ?? [];

test("the program in the documentation compiles with types made of the description", async () => {
  expect(documented).toContain("createClient<paths, ");
  expect(await compile(documented)).toBe("");
});

test("a program that uses every kind of route compiles, and what is wrong with one is found", async () => {
  const program = `
import createClient from "openapi-fetch";
import type { components, paths } from "./mirror.js";

const mirror = createClient<paths, "application/json">({ baseUrl: "http://127.0.0.1:8787" });
type User = components["schemas"]["User"];

const one = await mirror.GET("/v1/users/{user_id}", { params: { path: { user_id: "user_1" } } });
const user: User | undefined = one.data;
const address: string | undefined = user?.email_addresses?.[0]?.email_address;

const listed = await mirror.GET("/v1/users", { params: { query: { query: "ann", limit: 10, banned: false } } });
const names: (string | null | undefined)[] = (listed.data ?? []).map(({ first_name }) => first_name);

await mirror.PATCH("/v1/users/{user_id}/metadata", {
  params: { path: { user_id: "user_1" } },
  body: { public_metadata: { plan: "pro" } },
});

const filter: components["schemas"]["Filter"] = {
  created_at: { gte: "now-30d" },
  or: [{ email_domain: ["acme.com", null] }, { not: { membership: { role: "org:admin" } } }],
};
const page = await mirror.POST("/mirror/users/query", { body: { filter, fields: ["id"], count: "estimated" } });
const next: string | null | undefined = page.data?.next_cursor;
const total: number | undefined = page.data?.total_count;

const groups = await mirror.POST("/mirror/users/aggregate", {
  body: { group_by: ["public_metadata.plan", { field: "created_at", bucket: "month" }], order_by: ["-count"] },
});
const first: string | number | boolean | null | undefined = groups.data?.data[0]?.keys?.[0];

const changes = await mirror.GET("/mirror/changes", { params: { query: { after: "now", wait: 30 } } });
const kind: "user.upserted" | "user.deleted" | undefined | string = changes.data?.data[0]?.type;
const status = await mirror.GET("/mirror/status");
const state: "backfilling" | "live" | "degraded" | undefined = status.data?.state;
const failed = await mirror.GET("/mirror/runs/{id}", { params: { path: { id: "run_1" } } });
const code: string | undefined = failed.error?.errors[0]?.code;
console.log(address, names, next, total, first, kind, state, code);

// What is wrong is refused: the compiler complains where it expects an error and finds none.
// @ts-expect-error: a path that isn't there
await mirror.GET("/mirror/nothing");
// @ts-expect-error: a body that isn't right
await mirror.POST("/mirror/reconcile", { body: { mode: "sometimes" } });
// @ts-expect-error: a value of another type
await mirror.POST("/mirror/users/query", { body: { filter: { banned: { eq: "yes" } } } });
// @ts-expect-error: a member that isn't there
console.log(status.data?.nothing);
// @ts-expect-error: an id that is missing
await mirror.GET("/v1/users/{user_id}");
`;
  expect(await compile(program)).toBe("");
});
