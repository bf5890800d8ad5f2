import { setMaxListeners } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { Webhook } from "svix";
import type { SandboxClock } from "./world/clock.js";
import type { Random } from "./world/random.js";
import type { ClerkEvent } from "./world/types.js";

export interface WebhookEndpoint {
  url: string;
  /** `whsec_…` */
  secret: string;
}

/** A message and the attempts to send it. */
export interface Delivery {
  id: string;
  type: string;
  body: string;
  /** The status of each attempt. 0: no answer. */
  attempts: number[];
}

/** What goes wrong with messages. Numbers and `times` say for how many of the next messages. */
export interface WebhookFaults {
  drop: number;
  duplicate: number;
  /** The message is held back until another one has been sent. */
  reorder: number;
  delay: { times: number; ms: number };
  /** The fraction of all messages that is never sent, from 0 to 1. */
  lossRate: number;
  /** Private metadata are null in user events, as in some of Clerk's. */
  privateMetadataNull: boolean;
}

/** How long Svix waits between attempts. */
export const SVIX_SCHEDULE_MS = [5000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000];
const TIMEOUT_MS = 15_000;

export interface SenderOptions {
  clock: SandboxClock;
  random: Random;
  instanceId: string;
  retryScheduleMs: readonly number[];
}

/** Sends signed events as Clerk does through Svix: each message by itself, repeated with the same id until it is accepted. */
export function createSender(options: SenderOptions) {
  const { clock, random, instanceId, retryScheduleMs } = options;
  const deliveries: Delivery[] = [];
  const pending = new Set<Promise<void>>();
  const stopping = new AbortController();
  // Every message that is being sent listens to it.
  setMaxListeners(0, stopping.signal);
  const faults: WebhookFaults = {
    drop: 0,
    duplicate: 0,
    reorder: 0,
    delay: { times: 0, ms: 0 },
    lossRate: 0,
    privateMetadataNull: false,
  };
  let endpoint: WebhookEndpoint | null = null;
  let held: Delivery | null = null;

  function send(event: ClerkEvent): void {
    if (!endpoint) return;
    const message: Delivery = {
      id: `msg_${random.token(27)}`,
      type: event.type,
      body: JSON.stringify(envelope(event)),
      attempts: [],
    };
    deliveries.push(message);
    if (faults.drop > 0) {
      faults.drop--;
      return;
    }
    if (random.chance(faults.lossRate)) return;
    if (faults.reorder > 0 && !held) {
      faults.reorder--;
      held = message;
      return;
    }
    start(message);
    if (faults.duplicate > 0) {
      faults.duplicate--;
      start(message);
    }
    if (held) {
      start(held);
      held = null;
    }
  }

  function envelope({ type, data }: ClerkEvent) {
    const hidden = faults.privateMetadataNull && data.object === "user" && "private_metadata" in data;
    return {
      data: hidden ? { ...data, private_metadata: null } : data,
      object: "event",
      type,
      timestamp: clock.now(),
      instance_id: instanceId,
      event_attributes: { http_request: { client_ip: "192.0.2.1", user_agent: "sandbox" } },
    };
  }

  function start(message: Delivery): void {
    const run = deliver(message).finally(() => pending.delete(run));
    pending.add(run);
  }

  async function deliver(message: Delivery): Promise<void> {
    try {
      if (faults.delay.times > 0) {
        faults.delay.times--;
        await wait(faults.delay.ms, undefined, { signal: stopping.signal });
      }
      for (const waitMs of [...retryScheduleMs, null]) {
        const status = await attempt(message);
        message.attempts.push(status);
        if ((status >= 200 && status < 300) || waitMs === null) return;
        await wait(waitMs, undefined, { signal: stopping.signal });
      }
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
    }
  }

  async function attempt({ id, body }: Delivery): Promise<number> {
    if (!endpoint) return 0;
    // Signed with the real time, not the virtual one: receivers refuse a signature that is five minutes off.
    const now = new Date();
    const signature = new Webhook(endpoint.secret).sign(id, now, body);
    try {
      const response = await fetch(endpoint.url, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "svix-id": id,
          "svix-timestamp": String(Math.floor(now.getTime() / 1000)),
          "svix-signature": signature,
        },
        body,
        signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return 0;
    }
  }

  return {
    send,
    faults,
    deliveries,
    setEndpoint(next: WebhookEndpoint | null) {
      endpoint = next;
    },
    endpoint: () => endpoint,
    /** Sends a message again with the same id, as a resend from Svix's dashboard does. */
    redeliver(id: string) {
      const message = deliveries.find((one) => one.id === id);
      if (message) start(message);
    },
    /** Resolves when every message was accepted, given up or dropped. Sends a message that is held back for reordering first. */
    async settle() {
      if (held) start(held);
      held = null;
      while (pending.size > 0) await Promise.all(pending);
    },
    stop() {
      stopping.abort();
    },
  };
}

export type Sender = ReturnType<typeof createSender>;
