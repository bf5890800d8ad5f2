// Covers src/lib/secret-files.ts, src/cli/serve.ts

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IDeployment } from "kubernetes-models/apps/v1/Deployment";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { startSandbox } from "../../src/sandbox/server.js";
import { emptyDatabase } from "../support/database.js";
import { CLI } from "../support/programs.js";

const MANIFEST = join(import.meta.dirname, "..", "..", "deploy/kubernetes/deployment.yaml");
const container = (parse(readFileSync(MANIFEST, "utf8")) as IDeployment).spec!.template.spec!.containers[0]!;
const MOUNT = container.volumeMounts![0]!.mountPath;

test("with the manifest's environment and files it starts, answers the probes, writes nothing beside its database and ends by SIGTERM", async ({
  onTestFinished,
}) => {
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-pod-"));
  const [secrets, cwd] = [join(folder, "secrets"), join(folder, "cwd")];
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const sandbox = await startSandbox({ users: 20 });
  onTestFinished(sandbox.close);
  const database = await emptyDatabase();
  onTestFinished(database.drop);
  for (const path of [secrets, cwd]) mkdirSync(path);
  // As `kubectl create secret --from-file` mounts them.
  writeFileSync(join(secrets, "clerk-secret-key"), `${sandbox.secretKey}\n`);
  writeFileSync(join(secrets, "clerk-webhook-signing-secret"), "whsec_c2VjcmV0\n");
  writeFileSync(join(secrets, "database-url"), `${database.url}\n`);

  const env = Object.fromEntries(
    container.env!.map(({ name, value = "" }) => [name, value.replace(MOUNT, secrets)]),
  );
  const child = spawn(process.execPath, [CLI, "serve"], {
    cwd,
    // What the manifest leaves to the image and to the cluster.
    env: { ...env, PATH: process.env.PATH ?? "", HOST: "127.0.0.1", PORT: "0", CLERK_API_URL: sandbox.url },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => {
    printed += chunk;
  });
  await expect.poll(() => printed).toMatch(/"msg":"listening"/);
  const [, url = ""] = /"url":"(http[^"]+)"/.exec(printed) ?? [];
  const asked = (probe: typeof container.livenessProbe) =>
    fetch(`${url}${probe!.httpGet!.path}`).then(({ status }) => status);
  await expect.poll(() => asked(container.readinessProbe)).toBe(200);
  expect(await Promise.all([container.startupProbe, container.livenessProbe].map(asked))).toEqual([200, 200]);

  const ended = once(child, "exit");
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
  expect(readdirSync(cwd)).toEqual([]);
  for (const secret of [sandbox.secretKey, database.url, "c2VjcmV0"]) expect(printed).not.toContain(secret);
}, 60_000);
