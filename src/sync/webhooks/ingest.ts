import { isUtf8 } from "node:buffer";
import { parseWebhookEvent, type WebhookEvent } from "../../clerk.js";
import type { Availability } from "../../db/connection/availability.js";
import type { Clock } from "../../db/connection/clock.js";
import type { CommitPositions } from "../../db/connection/commit-position.js";
import type { Sql } from "../../db/connection/sql.js";
import { AppError } from "../../lib/errors.js";
import { type FieldPolicy, NO_POLICY } from "../../lib/field-policy/policy.js";
import { type Skimmed, skim } from "../../lib/json.js";
import { sqlText } from "../../lib/text.js";
import { nextTurn } from "../../lib/turns.js";
import { messageOf } from "../../observability/loggable-error.js";
import type { Logger } from "../../observability/logger.js";
import type { Item, OnCommitted } from "../apply/batch.js";
import { applyIsolated, type Isolated, isPoison } from "../apply/isolate.js";
import { keysOf } from "../apply/locked.js";
import { keepDeadWebhook } from "../ledger/dead-letters.js";
import { applyToEvent, keptOf } from "./event-policy.js";
import { itemOfEvent, questionsOf, userIdOf } from "./events.js";
import { createGroupCommit, Stuck } from "./group-commit.js";

/** What the sender of a webhook is told. `ignored`: a type that the mirror doesn't use. */
export type WebhookStatus = "applied" | "duplicate" | "stale" | "ignored" | "dead_lettered";

/** A webhook as it arrived, with a verified signature. */
export interface WebhookMessage {
  messageId: string;
  raw: Buffer;
}

/** What the sender is told, and a commit position that includes the event. Null: nothing was committed. */
export interface Receipt {
  status: WebhookStatus;
  version: string | null;
}

export interface Ingest {
  /**
   * Resolves when the event is committed. Repeating is safe. Rejects if the database can't store it; then nothing is stored,
   * and the sender tries again.
   */
  receive(message: WebhookMessage): Promise<Receipt>;
  /** How many webhooks wait for their commit, by line. */
  waiting(): Record<"small" | "large" | "stuck", number>;
}

export interface IngestDeps {
  sql: Sql;
  availability: Pick<Availability, "guard">;
  positions: Pick<CommitPositions, "current">;
  clock: Pick<Clock, "now">;
  lagMs: number;
  onCommitted?: OnCommitted;
  /** Told of each batch when its commit has ended, however it did. */
  onBatch?: (batch: { events: number; ms: number }) => void;
  /** Events of other instances are refused. Null: events of all instances are accepted. */
  instanceId: string | null;
  /** Decides what is stored of an event, in dead letters too. */
  fieldPolicy?: FieldPolicy;
  log: Logger;
  /** Told of each webhook once it is committed. */
  onReceived?: (webhook: { status: WebhookStatus; sentAtMs: number | null }) => void;
  /** How long a webhook may wait for a row that another session has locked. */
  patienceMs?: number;
}

export function createIngest(deps: IngestDeps): Ingest {
  const { sql, availability, positions, clock, lagMs, onCommitted, instanceId, log, patienceMs } = deps;
  const { fieldPolicy = NO_POLICY, onBatch = () => {}, onReceived = () => {} } = deps;
  const group = createGroupCommit<Item, Committed>({
    ...{ commit, keysOf },
    ...(patienceMs !== undefined && { patienceMs }),
  });

  async function commit(items: readonly Item[], again: boolean): Promise<(Committed | Stuck)[]> {
    // A batch that hangs must not keep its slot, nor the senders who wait for it: they are told to send again.
    const begunAtMs = performance.now();
    const results = await availability
      .guard(() => applyIsolated(sql, items, { lagMs, onCommitted, looksFirst: again }))
      .finally(() => onBatch({ events: items.length, ms: performance.now() - begunAtMs }));
    // Not awaited here, so that the next batch can begin meanwhile.
    const version = positions.current().catch(() => null);
    const locked = results.flatMap((result) => (result.kind === "locked" ? result.ids : []));
    if (locked.length > 0 && !again) {
      log.warn({ ids: locked.slice(0, 10) }, "another session holds rows: the webhooks that write them wait");
    }
    return results.map((result) => (result.kind === "locked" ? new Stuck(result.ids) : { result, version }));
  }

  async function receive(message: WebhookMessage): Promise<Receipt> {
    const { event, receipt } = await receiveEvent(message);
    onReceived({ status: receipt.status, sentAtMs: event?.timestampMs ?? null });
    return receipt;
  }

  async function receiveEvent({
    messageId,
    raw,
  }: WebhookMessage): Promise<{ event: WebhookEvent | null; receipt: Receipt }> {
    let event: WebhookEvent | null = null;
    try {
      if (raw.length >= SKIMMED_FROM_BYTES) event = await outlineOfHuge(raw);
      if (event) {
        applyToEvent(fieldPolicy, event);
        refuseOtherInstance(event);
        throw new AppError("invalid_payload", "more brackets than any user has");
      }
      event = parseWebhookEvent(parseJson(raw));
      applyToEvent(fieldPolicy, event);
      refuseOtherInstance(event);
      // The bytes aren't UTF-8: decoding has replaced a part of them, perhaps of a name, by U+FFFD.
      if (!isUtf8(raw)) throw new AppError("invalid_payload", "the body is not UTF-8");
      const item = itemOfEvent(event, clock.now());
      return { event, receipt: await apply(messageId, event, { item, bytes: raw.length }) };
    } catch (error) {
      if (!isPoison(error)) throw error;
      return { event, receipt: await keep(messageId, raw, event, error) };
    }
  }

  function refuseOtherInstance(event: WebhookEvent): void {
    if (!instanceId || !event.instanceId || event.instanceId === instanceId) return;
    throw new AppError("bad_request", "This webhook is of another Clerk instance than CLERK_INSTANCE_ID.");
  }

  async function apply(
    messageId: string,
    event: WebhookEvent,
    { item, bytes }: { item: Item | null; bytes: number },
  ): Promise<Receipt> {
    const outcome = item ? "applied" : "ignored";
    const delivery = { messageId, type: typeOf(event), userId: userIdOf(event), outcome } as const;
    const whole: Item = item ?? {};
    whole.delivery = delivery;
    const { result, version } = await group.submit(whole, bytes);
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
    const payload = fieldPolicy.isEmpty ? raw : keptOf(event);
    const letter = { id: messageId, type, userId, payload, error: messageOf(error) };
    const questions = event ? questionsOf(event) : [];
    const kept = await availability.guard(() => keepDeadWebhook(sql, letter, questions));
    if (!kept) return { status: "duplicate", version: null };
    log.warn({ messageId, type, userId, reason: messageOf(error) }, "webhook kept as a dead letter");
    return { status: "dead_lettered", version: null };
  }

  return { receive, waiting: group.waiting };
}

/** What became of an item, and a commit position that includes it. */
interface Committed {
  result: Exclude<Isolated, { kind: "locked" }>;
  version: Promise<string | null>;
}

const typeOf = (event: WebhookEvent) => sqlText(event.type).slice(0, 200);

/**
 * Clerk allows 8 KB for each of a user's three metadata objects: 12,000 brackets at most, and 4,000 levels of nesting. A
 * document with many times as many would block the event loop for seconds, because V8 searches everything that an array is
 * nested in before it prints it.
 */
const MOST_CONTAINERS = 150_000;
const MOST_DEPTHS = 30_000_000;
/** A shorter document can't have that many. */
const SKIMMED_FROM_BYTES = 14 * 1024;

/** For an event with more brackets than that, the part that names it and its user. Null: the event has no more than allowed. */
async function outlineOfHuge(raw: Buffer): Promise<WebhookEvent | null> {
  // Dozens of them can arrive in one turn of the event loop, so each is read in a turn of its own.
  await nextTurn();
  const { children, containers, depths } = await skim(raw);
  if (containers <= MOST_CONTAINERS && depths <= MOST_DEPTHS) return null;
  const data = children?.find(({ key }) => key === '"data"');
  const inData = data ? await skim(raw.subarray(data.from, data.to)) : null;
  const outline = shortMembers(raw, children ?? []);
  if (data && inData) outline.data = shortMembers(raw.subarray(data.from, data.to), inData.children ?? []);
  return parseWebhookEvent(outline);
}

const SHORT_BYTES = 1000;

function shortMembers(json: Buffer, children: NonNullable<Skimmed["children"]>): Record<string, unknown> {
  const short = children.filter(({ key, from, to }) => key !== null && to - from <= SHORT_BYTES);
  const texts = short.map(({ key, from, to }) => `${key}:${json.toString("utf8", from, to)}`);
  return JSON.parse(`{${texts.join(",")}}`);
}

function parseJson(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString("utf8"));
  } catch (cause) {
    throw new AppError("invalid_payload", "the body is not JSON", { cause });
  }
}
