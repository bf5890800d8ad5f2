import { peakMegabytes } from "../http/measure.js";
import type { Target } from "../http/processes.js";
import { sampleIds, webhooks } from "../http/requests.js";
import { type Line, median, percentile, spread, within } from "../report/table.js";
import { ask, commitSomething, fiftyTimes, KEY, type QueriesOptions, send, timed } from "./asking.js";

const EXPORT_GOAL = 30_000;
const EXPORT_MB = 150;
const CACHED_GOAL_MS = 2;
const PAGE_GOAL_MS = 2;
const EVENT_GOAL_MS = 50;
const EVENTS = 200;
const headers = { authorization: `Bearer ${KEY}` };

export async function measureStreams(mirror: Target, options: QueriesOptions): Promise<Line[]> {
  return [
    await measureFloor(mirror, options),
    await measureExport(mirror, options),
    await measureCached(mirror, options),
    await measureFeedPages(mirror, options),
    await measureEvents(mirror, options),
  ];
}

/** What the machine and HTTP take by themselves: this answer reads nothing. */
async function measureFloor(mirror: Target, { say }: QueriesOptions): Promise<Line> {
  say("an answer that reads nothing");
  const times = await fiftyTimes(() => send(mirror, "/healthz", {}));
  return { ...spread("/healthz, which reads nothing", times), goals: [] };
}

async function measureExport(mirror: Target, { rounds, say }: QueriesOptions): Promise<Line> {
  const rates: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} of ${rounds}: export`);
    let users = 0;
    const ms = await timed(async () => {
      const answer = await send(mirror, "/mirror/users/query", {
        ...{ body: {}, headers: { accept: "application/x-ndjson" } },
        seen: (part) => {
          for (let at = part.indexOf(10); at !== -1; at = part.indexOf(10, at + 1)) users++;
        },
      });
      if (answer.status !== 200) throw new Error(`export: ${answer.status}`);
    });
    rates.push((users / ms) * 1000);
  }
  const peak = peakMegabytes(mirror) ?? 0;
  return {
    ...{
      what: "export, users a second",
      unit: "/s",
      median: median(rates),
      p99Ms: null,
      reference: null,
      ratio: null,
    },
    goals: [
      { text: `≥ ${EXPORT_GOAL}/s`, met: median(rates) >= EXPORT_GOAL },
      { text: `server ≤ ${EXPORT_MB} MB (is ${peak})`, met: peak <= EXPORT_MB },
    ],
  };
}

async function measureCached(mirror: Target, { say }: QueriesOptions): Promise<Line> {
  say("an aggregate that was made before");
  const body = { group_by: ["public_metadata.plan"] };
  await ask(mirror, "aggregate", body);
  const times = await fiftyTimes(() => ask(mirror, "aggregate", body));
  return within("aggregate, made before", times, CACHED_GOAL_MS);
}

async function measureFeedPages(mirror: Target, { sql, say }: QueriesOptions): Promise<Line> {
  say("pages of the change feed");
  let after = "start";
  const times: number[] = [];
  for (let run = 0; run < 50; run++) {
    await commitSomething(sql);
    const begun = performance.now();
    const { body } = await send(mirror, `/mirror/changes?after=${after}&limit=500`, {});
    times.push(performance.now() - begun);
    const { next_cursor, has_more } = JSON.parse(body.toString());
    after = has_more ? next_cursor : "start";
  }
  return within("page of 500 changes", times, PAGE_GOAL_MS);
}

/** From the moment that a webhook is answered, which is behind its commit, to its event. */
async function measureEvents(mirror: Target, { sql, webhookSecret, say }: QueriesOptions): Promise<Line> {
  say("from commit to event");
  const ids = await sampleIds(sql);
  const requests = await webhooks(sql, { ids, count: EVENTS, kind: "activity", secret: webhookSecret });
  const leaving = new AbortController();
  const answer = await fetch(`${mirror.url}/mirror/changes?after=now`, {
    ...{ headers: { ...headers, accept: "text/event-stream" }, signal: leaving.signal },
  });
  const arrivals = arrivalsIn(answer);
  const times: number[] = [];
  for (const { path, headers: own, body } of requests) {
    await fetch(`${mirror.url}${path}`, {
      method: "POST",
      ...(own && { headers: own }),
      ...(body && { body }),
    });
    const answeredAtMs = performance.now();
    const { value } = await arrivals.next();
    times.push(Math.max(0, (value ?? Number.NaN) - answeredAtMs));
  }
  leaving.abort();
  const p99 = percentile(times, 0.99);
  return {
    ...spread("webhook answered → event, p99", times),
    goals: [{ text: `p99 ≤ ${EVENT_GOAL_MS} ms`, met: p99 <= EVENT_GOAL_MS }],
  };
}

/** When each change arrived. */
async function* arrivalsIn(answer: Response): AsyncGenerator<number, undefined, undefined> {
  let rest = "";
  const decoder = new TextDecoder();
  if (!answer.body) return undefined;
  for await (const chunk of answer.body) {
    const at = performance.now();
    const events = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) if (event.includes("event: change")) yield at;
  }
  return undefined;
}
