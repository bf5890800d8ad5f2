import { spawn } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { CLI } from "./programs.js";

/** Ends what goes on for ever, such as a live feed. */
const DEADLINE_S = 20;

const FAILING_CURL = `curl() { command curl --fail-with-body --no-progress-meter --max-time ${DEADLINE_S - 5} "$@"; }`;

/** `user-mirror` as a program of this folder, for commands that name it so. */
export function installCli(folder: string): void {
  const program = join(folder, "user-mirror");
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${CLI}" "$@"\n`);
  chmodSync(program, 0o755);
}

/** As a documented command is spelled → as `installCli` knows it. */
export const ownCli = (script: string): string =>
  script.replace(/npm run --silent cli -- |npx user-mirror /g, "user-mirror ");

/** Runs a documented script to its end; the first command that fails ends it. HTTP errors fail. */
export async function runScript(script: string, folder: string, env: Record<string, string>) {
  const child = spawn("bash", ["-euo", "pipefail", "-c", `${FAILING_CURL}\n${script}`], {
    cwd: folder,
    env: { PATH: `${folder}:${process.env.PATH}`, HOME: folder, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: DEADLINE_S * 1000,
  });
  const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { code, stdout, stderr };
}
