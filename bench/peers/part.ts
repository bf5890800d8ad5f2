import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { loadGenerator } from "../http/load.js";
import type { LoadOptions } from "../http/measure.js";
import type { Line, Section } from "../report/table.js";
import { createContestants } from "./contestants.js";
import { openUnhurried } from "./databases.js";
import { measureContestants } from "./measure.js";
import { PROMISES } from "./promises.js";
import { peerLines, peerSections } from "./report.js";

/** The mirror's webhooks beside those of others that keep a table by webhooks, in turn on the same server. */
export async function measurePeers(
  options: LoadOptions & {
    url: string;
    users: number;
    env: Record<string, string>;
    webhookSecret: string;
    say: (text: string) => void;
  },
): Promise<{ sections: Section[]; lines: Line[] }> {
  const { say, rounds, seconds, connections } = options;
  await install(say);
  const sql = openUnhurried(options.url);
  const contestants = createContestants({ ...options, sql });
  try {
    const started = await contestants.start();
    const { results, canCheckpoint } = await measureContestants(sql, started, options);
    const lines = peerLines(results);
    const notes = [
      `${connections} connections, by ${await loadGenerator()} on the same machine; medians of ${rounds} rounds of ${seconds} s; CPU and WAL per event. The machine's load average at the end: ${loadavg()[0]?.toFixed(1)}.`,
      ...(canCheckpoint ? [] : ["Whoever connects here may order no checkpoint: none came before any load."]),
    ];
    return { sections: [...peerSections(lines, notes), PROMISES], lines };
  } finally {
    await contestants.stop();
    await sql.end();
  }
}

/** The others and what they need, apart from all that the project itself depends on. */
async function install(say: (text: string) => void): Promise<void> {
  if (existsSync(join(import.meta.dirname, "node_modules"))) return;
  say("installing what the mirror is compared with: npm ci in bench/peers");
  await promisify(execFile)("npm", ["ci", "--no-audit", "--no-fund"], { cwd: import.meta.dirname });
}
