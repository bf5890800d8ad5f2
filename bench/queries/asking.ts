import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import type { Sql } from "../../src/db/connection/sql.js";
import type { Target } from "../http/processes.js";

export interface QueriesOptions {
  sql: Sql;
  env: Record<string, string>;
  webhookSecret: string;
  rounds: number;
  only?: string;
  say: (text: string) => void;
}

export const KEY = "um_bench";

/** Plain HTTP on one connection: `fetch` takes milliseconds of a busy core for itself. */
const agent = new Agent({ keepAlive: true });

export interface Answered {
  status: number;
  body: Buffer;
}

export interface Sending {
  /** Without one it is a GET. */
  body?: object;
  headers?: Record<string, string>;
  /** Is given each part of the answer, which isn't kept then. */
  seen?: (part: Buffer) => void;
  signal?: AbortSignal;
}

export async function send(
  mirror: Target,
  path: string,
  { body, headers = {}, seen, signal }: Sending,
): Promise<Answered> {
  const sent = body && JSON.stringify(body);
  const outgoing = request(`${mirror.url}${path}`, {
    ...{ agent, method: sent ? "POST" : "GET", ...(signal && { signal }) },
    headers: {
      authorization: `Bearer ${KEY}`,
      ...(sent && { "content-type": "application/json" }),
      ...headers,
    },
  });
  outgoing.end(sent);
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  const parts: Buffer[] = [];
  answer.on("data", seen ?? ((part: Buffer) => parts.push(part)));
  await once(answer, "end");
  return { status: answer.statusCode ?? 0, body: Buffer.concat(parts) };
}

export async function ask(mirror: Target, path: string, body: object): Promise<Record<string, unknown>> {
  const answer = await send(mirror, `/mirror/users/${path}`, { body });
  const text = answer.body.toString();
  // What takes too long has taken its ten seconds: a figure like any other.
  if (text.includes('"query_too_expensive"')) return {};
  if (answer.status !== 200) throw new Error(`${JSON.stringify(body)}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

/** What was counted before is kept until the feed moves. */
export const commitSomething = (sql: Sql) => sql`
  insert into mirror_data.changes (type, id, version, at)
  values ('organization.upserted', 'org_bench', 1, extract(epoch from clock_timestamp()) * 1000)`;

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

export async function fiftyTimes(work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < 50; run++) times.push(await timed(work));
  return times;
}
