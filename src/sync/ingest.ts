import { parseWebhookEvent, type WebhookEvent } from "../clerk.js";
import type { Availability } from "../db/availability.js";
import type { Sql } from "../db/client.js";
import type { Clock } from "../db/clock.js";
import type { Versions } from "../db/version.js";
import { AppError } from "../lib/errors.js";
import { sqlText } from "../lib/text.js";
import type { Logger } from "../observability/logger.js";
import type { Item, OnCommitted } from "./apply.js";
import { keepDeadWebhook } from "./dead-letters.js";
import { itemOfEvent, userIdOf } from "./events.js";
import { createGroupCommit } from "./group-commit.js";
import { applyIsolated, type Isolated, isPoison } from "./isolate.js";

/** What the sender of a webhook is told. `ignored`: a type that the mirror doesn't use. */
export type WebhookStatus = "applied" | "duplicate" | "stale" | "ignored" | "dead_lettered";

/** A webhook whose signature was verified, as it arrived. */
export interface WebhookMessage {
  messageId: string;
  raw: Buffer;
  /** What `raw` says, for whoever has parsed it already. */
  json?: unknown;
}

/** What the sender is told, and the state of the database that shows it; null where nothing was committed. */
export interface Receipt {
  status: WebhookStatus;
  version: string | null;
}

export interface Ingest {
  /**
   * Resolves when what the event says is committed. Repeating is safe. Rejects when the database can't take it, and then
   * nothing is stored: the sender tries again.
   */
  receive(message: WebhookMessage): Promise<Receipt>;
}

export interface IngestOptions {
  sql: Sql;
  availability: Pick<Availability, "guard">;
  versions: Pick<Versions, "current">;
  clock: Pick<Clock, "now">;
  lagMs: number;
  onCommitted?: OnCommitted;
  /** Events of another instance are refused; null: of any are taken. */
  instanceId: string | null;
  log: Logger;
}

export function createIngest(options: IngestOptions): Ingest {
  const { sql, availability, versions, clock, lagMs, onCommitted, instanceId, log } = options;
  const group = createGroupCommit<Item, Committed>({ commit });

  async function commit(items: readonly Item[]): Promise<Committed[]> {
    // A batch that hangs must not hold its slot, nor those who wait for it: they are told to send again.
    const results = await availability.guard(() => applyIsolated(sql, items, { lagMs, onCommitted }));
    // Not waited for here: the next batch can begin meanwhile.
    const version = versions.current().catch(() => null);
    return results.map((result) => ({ result, version }));
  }

  async function receive({ messageId, raw, json }: WebhookMessage): Promise<Receipt> {
    let event: WebhookEvent | null = null;
    try {
      event = parseWebhookEvent(json ?? parseJson(raw));
      refuseOtherInstance(event);
      const item = itemOfEvent(event, clock.now());
      return await apply(messageId, event, item);
    } catch (error) {
      if (!isPoison(error)) throw error;
      return keep(messageId, raw, event, error);
    }
  }

  function refuseOtherInstance(event: WebhookEvent): void {
    if (!instanceId || !event.instanceId || event.instanceId === instanceId) return;
    throw new AppError("bad_request", "This webhook is of another Clerk instance than CLERK_INSTANCE_ID.");
  }

  async function apply(messageId: string, event: WebhookEvent, item: Item | null): Promise<Receipt> {
    const outcome = item ? "applied" : "ignored";
    const delivery = { messageId, type: typeOf(event), userId: userIdOf(event), outcome } as const;
    const { result, version } = await group.submit({ ...item, delivery });
    if (result.kind === "poison") throw result.error;
    const status = item || result.status === "duplicate" ? result.status : "ignored";
    return { status, version: await version };
  }

  async function keep(
    messageId: string,
    raw: Buffer,
    event: WebhookEvent | null,
    error: Error,
  ): Promise<Receipt> {
    const type = event && typeOf(event);
    const userId = event ? userIdOf(event) : null;
    const letter = { id: messageId, type, userId, payload: raw, error: error.message };
    const kept = await availability.guard(() => keepDeadWebhook(sql, letter));
    if (!kept) return { status: "duplicate", version: null };
    log.warn({ messageId, type, userId, reason: error.message }, "webhook kept as a dead letter");
    return { status: "dead_lettered", version: null };
  }

  return { receive };
}

/** What became of an item, and a state of the database that shows it. */
interface Committed {
  result: Isolated;
  version: Promise<string | null>;
}

const typeOf = (event: WebhookEvent) => sqlText(event.type).slice(0, 200);

function parseJson(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString("utf8"));
  } catch (cause) {
    throw new AppError("invalid_payload", "the body is not JSON", { cause });
  }
}
