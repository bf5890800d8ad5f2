// Covers src/lib/package.ts

import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packCheckout } from "../support/packed.js";

const root = join(import.meta.dirname, "..", "..");
const run = promisify(execFile);

describe("the package, packed from a checkout that was never built", () => {
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-package-"));
  const app = join(folder, "app");
  const installed = join(app, "node_modules", "user-mirror");
  let paths: string[];

  /** A checkout without `dist`, and an application in which the package is installed as npm would. */
  beforeAll(async () => {
    const packed = await packCheckout(folder);
    paths = packed.paths;
    mkdirSync(installed, { recursive: true });
    await run("tar", ["-xf", packed.tarball, "--strip-components=1", "-C", installed]);
    for (const name of readdirSync(join(root, "node_modules"))) {
      symlinkSync(join(root, "node_modules", name), join(app, "node_modules", name));
    }
    writeFileSync(join(app, "package.json"), '{ "name": "app", "type": "module" }');
    // It compiles everything, and nothing else of the suite waits for it.
  }, 240_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("holds what runs, the types of what applications import, and nothing else", () => {
    const migrations = readdirSync(join(root, "drizzle")).filter((file) => file.endsWith(".sql"));
    expect(paths).toEqual(
      expect.arrayContaining([
        ...["README.md", "LICENSE", "package.json", "dist/cli/main.js", "dist/client/client.d.ts"],
        ...["dist/db/tables/sql-contract.d.ts", "dist/migrations/meta/_journal.json"],
        ...["LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"].map(
          (file) => `dist/http/openapi/swagger/${file}`,
        ),
        ...migrations.map((file) => `dist/migrations/${file}`),
      ]),
    );
    const expected = [
      /^(README\.md|LICENSE|package\.json)$/,
      /^dist\/([\w-]+\/)*[\w-]+\.js$/,
      /^dist\/(client\/[\w-]+|db\/tables\/sql-contract)\.d\.ts$/,
      /^dist\/migrations\/(\d{4}_\w+\.sql|meta\/_journal\.json)$/,
      /^dist\/http\/openapi\/clerk-users\.json$/,
      // With the licences of all that is in it.
      /^dist\/http\/openapi\/swagger\/(swagger-ui(-bundle)?\.(css|js)|favicon-32x32\.png|LICENSE|NOTICE)$/,
      /^dist\/http\/openapi\/swagger\/swagger-ui-bundle\.js\.LICENSE\.txt$/,
      /^dist\/http\/dashboard\/assets\/files\/[\w-]+\.(css|js|svg)$/,
      /^dist\/http\/openapi\/(clerk-users\.json|swagger\/([\w-]+\.(css|js|png)|LICENSE|NOTICE))$/,
    ];
    expect(paths.filter((path) => !expected.some((pattern) => pattern.test(path)))).toEqual([]);
  });

  test("brings the licence of everything that it needs, and needs nothing under a licence that restricts its users", () => {
    const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
      packages: Record<string, { license?: string; dev?: boolean; devOptional?: boolean }>;
    };
    const needed = Object.entries(packages).filter(
      ([path, { dev, devOptional }]) => path && !dev && !devOptional,
    );
    expect(needed.length).toBeGreaterThan(20);
    const permissive = /^(MIT|ISC|Apache-2\.0|BSD-[23]-Clause|0BSD|BlueOak-1\.0\.0|Unlicense)$/;
    expect(needed.filter(([, { license }]) => !permissive.test(license ?? "")).map(([path]) => path)).toEqual(
      [],
    );
  });

  test("says what to do in the words of whoever installed it", async () => {
    const env = { PATH: process.env.PATH ?? "" };
    const cli = (...args: string[]) =>
      run(process.execPath, [join(installed, "dist/cli/main.js"), ...args], { cwd: app, env });
    const { stdout: help } = await cli("--help");
    expect(help).toContain("npx user-mirror demo");
    expect(help).not.toMatch(/npm (run|start)/);
    const refused = await cli("serve").catch((error: { code: number; stderr: string }) => error);
    expect(refused).toMatchObject({
      code: 78,
      stderr: expect.stringMatching(/CLERK_SECRET_KEY.*npx user-mirror demo/),
    });
    expect(refused.stderr).not.toMatch(/npm (run|start)/);
  });

  test("lets an application's drizzle-kit make the application's tables alone", async () => {
    writeFileSync(
      join(app, "schema.ts"),
      `import { pgTable, text } from "drizzle-orm/pg-core";
       export * from "user-mirror/schema";
       export const orders = pgTable("orders", { id: text("id").primaryKey(), userId: text("user_id") });`,
    );
    const kit = join(root, "node_modules", "drizzle-kit", "bin.cjs");
    const options = ["--dialect", "postgresql", "--schema", "schema.ts", "--out", "migrations"];
    await run(process.execPath, [kit, "generate", ...options, "--name", "orders"], { cwd: app });
    const made = readFileSync(join(app, "migrations", "0000_orders.sql"), "utf8");
    expect(made).toContain('CREATE TABLE "orders"');
    expect(made).not.toMatch(/mirror|SCHEMA|VIEW/);
  });

  test("is joined by the example's own Drizzle project, whose migrations are complete", async () => {
    const orders = join(app, "orders");
    cpSync(join(root, "examples", "orders"), orders, { recursive: true });
    const kit = join(root, "node_modules", "drizzle-kit", "bin.cjs");
    const { stdout } = await run(process.execPath, [kit, "generate"], { cwd: orders });
    expect(stdout).toContain("No schema changes");
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    const flags = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2023"];
    const typed = run(process.execPath, [tsc, ...flags, "--types", "node", "main.ts"], { cwd: orders });
    await expect(typed).resolves.toBeDefined();
  });

  test("brings the types of its views", async () => {
    writeFileSync(
      join(app, "query.ts"),
      `import { mirrorUsers } from "user-mirror/schema";
       export const banned: boolean = mirrorUsers.$inferSelect.banned;
       // @ts-expect-error: there is no such column.
       mirrorUsers.$inferSelect.nonsense;`,
    );
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    const flags = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2023"];
    await expect(run(process.execPath, [tsc, ...flags, "query.ts"], { cwd: app })).resolves.toBeDefined();
  });
});
