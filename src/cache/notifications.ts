import { randomUUID } from "node:crypto";
import type postgresType from "postgres";
import { NOTIFY_CHANNEL } from "../db/connection/client.js";
import { type Connections, createBackoff } from "../db/connection/connections.js";
import { sleep } from "../lib/async.js";
import type { Logger } from "../observability/logger.js";

/** Hears of every commit of any process, and knows when it doesn't. */
export interface Notifications {
  /** Whether commits are heard of. False from the moment the connection is lost, or has been silent for 3 s. */
  isHearing(): boolean;
  /** Listens until aborted, on a connection of its own. */
  run(signal: AbortSignal): Promise<void>;
}

export interface NotificationsDeps {
  connections: Pick<Connections, "open">;
  /** The ids of the users that changed, or `all` if any user may have, as after each time when nothing was heard. */
  onChange: (ids: string[] | "all") => void;
  log: Logger;
}

const HEARTBEAT_MS = 1000;
/**
 * How often a heartbeat is sent. A connection that swallows everything looks like one on which nothing happens: only
 * the heartbeat tells them apart.
 */
const SILENCE_MS = 3000;

export function createNotifications({ connections, onChange, log }: NotificationsDeps): Notifications {
  const heartbeat = `mirror_heartbeat_${randomUUID().replaceAll("-", "")}`;
  let hearingUntilMs = 0;
  /** How many heartbeats came back. */
  let heard = 0;

  async function run(signal: AbortSignal): Promise<void> {
    const pauseSeconds = createBackoff();
    let failures = 0;
    while (!signal.aborted) {
      const hadHeard = heard;
      await listen(signal).catch((error) => {
        if (!signal.aborted) log.debug({ reason: error.message }, "notifications are not heard");
      });
      failures = heard > hadHeard ? 1 : failures + 1;
      await sleep(1000 * pauseSeconds(failures), signal).catch(() => {});
    }
  }

  /** Runs one connection from its start to its end. Rejects when it has ended. */
  async function listen(signal: AbortSignal): Promise<void> {
    const lost = new AbortController();
    const ended = AbortSignal.any([signal, lost.signal]);
    let sentAtMs = 0;
    const connection = connections.open({
      ...{ name: "user-mirror notifications", max: 1, limitMs: 2 * SILENCE_MS, ages: false },
      onclose() {
        hearingUntilMs = 0;
        lost.abort(new Error("The connection was closed."));
      },
      onnotify(channel, payload) {
        if (lost.signal.aborted) return;
        // A heartbeat that comes back proves that everything committed before it was sent has been heard.
        if (channel === heartbeat) {
          hearingUntilMs = sentAtMs + SILENCE_MS;
          heard++;
        } else onChange(changedIds(payload));
      },
    });
    try {
      await connection.unsafe(`listen ${NOTIFY_CHANNEL}; listen ${heartbeat}`);
      // Everything read from this moment on shows all earlier commits, and nothing read before is kept.
      onChange("all");
      while (!ended.aborted) {
        sentAtMs = performance.now();
        await beat(connection, ended);
        await sleep(HEARTBEAT_MS, ended);
      }
    } finally {
      hearingUntilMs = 0;
      lost.abort();
      await connection.end({ timeout: 0 }).catch(() => {});
    }
    throw ended.reason;
  }

  async function beat(connection: postgresType.Sql, ended: AbortSignal): Promise<void> {
    const silence = sleep(SILENCE_MS, ended).then(() => {
      throw new Error(`Nothing was heard for ${SILENCE_MS} ms.`);
    });
    silence.catch(() => {});
    await Promise.race([connection`select pg_notify(${heartbeat}, '')`, silence]);
  }

  return { isHearing: () => performance.now() < hearingUntilMs, run };
}

/** A payload that is no list of ids means that any user may have changed. */
function changedIds(payload: string): string[] | "all" {
  if (payload === "*") return "all";
  try {
    const { ids } = JSON.parse(payload) as { ids: string[] };
    return Array.isArray(ids) ? ids : "all";
  } catch {
    return "all";
  }
}
