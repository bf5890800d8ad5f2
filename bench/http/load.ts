import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import autocannon from "autocannon";

/** One request of a load, sent as it is. */
export interface LoadRequest {
  method: "GET" | "POST";
  path: string;
  headers: Record<string, string>;
  body?: string;
}

export interface LoadResult {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  answered: number;
  /** How many answers were no 2xx, and how many connections broke. */
  failures: number;
}

export interface Load {
  url: string;
  /** Sent one after another, and again from the first after the last. */
  requests: readonly LoadRequest[];
  connections: number;
  seconds: number;
}

/**
 * Sends a load and measures it: with wrk where that is installed, because it costs a fifth of the CPU, else with
 * autocannon.
 */
export async function runLoad(load: Load): Promise<LoadResult> {
  return (await hasWrk()) ? runWrk(load) : runAutocannon(load);
}

export const loadGenerator = async () => ((await hasWrk()) ? "wrk" : "autocannon");

const run = promisify(execFile);
let found: Promise<boolean> | null = null;

function hasWrk(): Promise<boolean> {
  // It prints its version and ends with 1.
  found ??= run("wrk", ["--version"]).then(
    () => true,
    (error) => error.code !== "ENOENT",
  );
  return found;
}

/**
 * The requests lie in a file, each behind its length. The script sends them one after another and reports as JSON.
 */
const SCRIPT = `
local requests, at = {}, 0
function init(args)
  local file = assert(io.open(args[1], "rb"))
  while true do
    local length = file:read("*l")
    if not length then break end
    requests[#requests + 1] = file:read(tonumber(length))
  end
  file:close()
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\\nRESULT {"requests":%d,"us":%d,"p50":%d,"p99":%d,"failures":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
`;

async function runWrk({ url, requests, connections, seconds }: Load): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), "user-mirror-bench-"));
  try {
    const [script, file] = [join(folder, "load.lua"), join(folder, "requests")];
    writeFileSync(script, SCRIPT);
    writeFileSync(file, Buffer.concat(requests.map((request) => wireForm(request, new URL(url).host))));
    const flags = [
      "-t",
      "1",
      "-c",
      String(connections),
      "-d",
      `${seconds}s`,
      "--timeout",
      "20s",
      "-s",
      script,
    ];
    const { stdout } = await run("wrk", [...flags, url, "--", file]);
    const { requests: n, us, p50, p99, failures } = JSON.parse(/RESULT (.*)/.exec(stdout)?.[1] ?? "");
    return { perSecond: (n * 1e6) / us, p50Ms: p50 / 1000, p99Ms: p99 / 1000, answered: n, failures };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function wireForm({ method, path, headers, body = "" }: LoadRequest, host: string): Buffer {
  const content = Buffer.from(body);
  const all = { Host: host, ...headers, ...(body && { "Content-Length": String(content.length) }) };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const whole = Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${head.join("")}\r\n`), content]);
  return Buffer.concat([Buffer.from(`${whole.length}\n`), whole]);
}

async function runAutocannon({ url, requests, connections, seconds }: Load): Promise<LoadResult> {
  let next = 0;
  const result = await autocannon({
    url,
    connections,
    duration: seconds,
    // Each connection sends a part of its own: no request goes out twice before all have gone out once, and in about the
    // order in which they stand here.
    setupClient(client) {
      client.setRequests(requests.filter((_, n) => n % connections === next % connections));
      next++;
    },
  });
  return {
    perSecond: result.requests.average,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    answered: result.requests.total,
    failures: result.non2xx + result.errors,
  };
}
