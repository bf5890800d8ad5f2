// Covers src/cli/{main,demo/demo}.ts, src/lib/package.ts

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { unprivilegedUser } from "../../src/db/embedded/binaries.js";
import { embeddedLocation } from "../../src/db/embedded/cluster.js";
import { removeEmbedded } from "../../src/db/embedded/postgres.js";
import { packCheckout } from "../support/packed.js";
import { killAtOnce, processesOf } from "../support/processes.js";
import { program } from "../support/programs.js";

const run = promisify(execFile);

/** The oldest Node that package.json allows, and the newest of each line that is supported. Npm packages carry them. */
const NODES = { "20.19": "20.19.0", "22": "22", "24": "24" };

/** It installs packages: on a machine that never had them they have to be fetched. */
const INSTALL_LIMIT_MS = 300_000;

const folder = mkdtempSync(join(tmpdir(), "user-mirror-npx-"));
/** Where somebody installs the package: nothing is in it. */
const app = join(folder, "app");
const nodes = join(folder, "nodes");
const dataDir = join(app, ".data/demo");
/** The demo, its sandbox, and its Postgres, which lives elsewhere when root started it. */
const running = () => [app, embeddedLocation(dataDir, unprivilegedUser())].flatMap(processesOf);

beforeAll(async () => {
  for (const path of [app, nodes]) mkdirSync(path);
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
  const binaries = Object.entries(NODES).map(
    ([name, version]) => `node-${name}@npm:node-${process.platform}-${process.arch}@${version}`,
  );
  await Promise.all([
    packCheckout(folder).then(({ tarball }) => run("npm", ["install", ...quiet, tarball], { cwd: app })),
    run("npm", ["install", ...quiet, "--prefix", nodes, ...binaries]),
  ]);
}, INSTALL_LIMIT_MS);
afterEach(() => killAtOnce(running()));
afterAll(() => {
  removeEmbedded(dataDir);
  rmSync(folder, { recursive: true, force: true });
});

test("the installed package brings no compiler, no test and no tool", () => {
  const installed = readdirSync(join(app, "node_modules"));
  expect(installed).toContain("drizzle-orm");
  expect(
    installed.filter((name) => /^(typescript|tsx|vitest|esbuild|drizzle-kit|@biomejs)$/.test(name)),
  ).toEqual([]);
});

describe.each(Object.keys(NODES))("on Node %s", (line) => {
  const bin = join(nodes, "node_modules", `node-${line}`, "bin");
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };

  test("`npx user-mirror demo` in a directory with nothing else answers Clerk's SDK, and Ctrl-C ends all of it", async () => {
    const demo = spawn("npx", ["user-mirror", "demo"], {
      cwd: app,
      env: { ...env, PORT: "0", DEMO_USERS: "200", DEMO_TRAFFIC: "off" },
      stdio: ["ignore", "pipe", "pipe"],
      // A terminal sends Ctrl-C to the group.
      detached: true,
    });
    let printed = "";
    for (const stream of [demo.stdout, demo.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        printed += chunk;
      });
    }
    await expect.poll(() => printed, { timeout: 50_000 }).toContain("Ctrl-C ends it.");
    const [, url = ""] = /Mirror +(http:\S+)/.exec(printed) ?? [];
    const [, key = ""] = /API key +(\S+)/.exec(printed) ?? [];

    const client = join(app, "node_modules/user-mirror/dist/client/client.js");
    const { stdout } = await run("node", [program("test/support/sdk-child.ts"), url, key, client], { env });
    const { node, ...seen } = JSON.parse(stdout);
    expect(node).toMatch(new RegExp(`^v${line}\\.`));
    expect(seen).toEqual({ listed: 2, totalCount: 200, readBack: node, found: [true] });

    process.kill(-demo.pid!, "SIGINT");
    await once(demo, "close");
    await expect.poll(running).toEqual([]);
  }, 120_000);
});
