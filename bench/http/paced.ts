import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { sleep } from "../../src/lib/async.js";
import { percentile } from "../report/table.js";
import type { LoadRequest } from "./load.js";

export interface PacedLoad {
  url: string;
  /** Each is sent once, and those from the first again where there are too few. */
  requests: readonly LoadRequest[];
  perSecond: number;
  connections: number;
  seconds: number;
}

/**
 * Sends so many requests a second, whether earlier ones are answered or not, and measures each from the moment at which it was due:
 * what waits for a connection has waited. Returns the 99th percentile in milliseconds. Throws if an answer is no 2xx.
 */
export async function runPaced({
  url,
  requests,
  perSecond,
  connections,
  seconds,
}: PacedLoad): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const begun = performance.now();
  const took: Promise<number>[] = [];
  for (let n = 0; n < perSecond * seconds; n++) {
    const dueMs = begun + (n * 1000) / perSecond;
    if (dueMs > performance.now()) await sleep(dueMs - performance.now());
    const { method, path, headers, body } = requests[n % requests.length]!;
    const outgoing = request(`${url}${path}`, { agent, method, headers });
    outgoing.end(body);
    took.push(
      answered(outgoing).then((status) => {
        if (status >= 300) throw new Error(`${method} ${path}: ${status}`);
        return performance.now() - dueMs;
      }),
    );
  }
  const times = await Promise.all(took);
  agent.destroy();
  return percentile(times, 0.99);
}

async function answered(outgoing: ReturnType<typeof request>): Promise<number> {
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  answer.resume();
  await once(answer, "end");
  return answer.statusCode ?? 0;
}
