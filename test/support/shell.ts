import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CLI } from "./programs.js";

/** Ends what goes on for ever, such as a live feed. */
const DEADLINE_S = 40;

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

/**
 * Runs a documented script to its end; the first command that fails ends it. HTTP errors fail. With `until`, a script that goes
 * on for ever is interrupted once it has printed this.
 */
export async function runScript(script: string, folder: string, env: Record<string, string>, until?: RegExp) {
  const child = spawn("bash", ["-euo", "pipefail", "-c", `${FAILING_CURL}\n${script}`], {
    cwd: folder,
    env: { PATH: `${folder}:${process.env.PATH}`, HOME: folder, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    // With what it starts it is a group of its own, which is ended as a whole.
    detached: true,
  });
  const kill = (signal: NodeJS.Signals) =>
    child.pid && child.exitCode === null && process.kill(-child.pid, signal);
  const deadline = setTimeout(kill, DEADLINE_S * 1000, "SIGKILL");
  const printed = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      printed[stream] += text;
      if (until?.test(printed.stdout)) kill("SIGINT");
    });
  }
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(deadline);
  return { code, ...printed };
}
