import { textArray } from "../../db/connection/bulk.js";
import type { Sql, Tx } from "../../db/connection/sql.js";
import { sqlText } from "../../lib/text.js";
import { messageOf } from "../../observability/loggable-error.js";
import { claimDeliveries } from "./deliveries.js";
import { queueRefetches, type Refetch } from "./refetch-queue.js";

/** Something that could not be applied, whole, until it is replayed or dropped. */
export interface DeadLetter {
  /** The webhook's message id, or the result of `deadObjectId` for something that Clerk itself answered. */
  id: string;
  type: string | null;
  /** The user that it names. Clerk is asked about that user instead. */
  userId: string | null;
  payload: Buffer;
  error: string;
}

export type LetterKind = "user" | "organization" | "membership";

export interface StoredDeadLetter extends DeadLetter {
  kind: LetterKind | null;
  attempts: number;
  receivedAtMs: number;
  triedAtMs: number;
}

export type ListedDeadLetter = Omit<StoredDeadLetter, "payload">;

/**
 * The id of a letter about something that Clerk itself answered and that can't be stored: `walk:<user id>`,
 * `walk:organization:…`.
 */
export const deadObjectId = (kind: LetterKind, id: string) =>
  kind === "user" ? `${OF_CLERK}${id}` : `${OF_CLERK}${kind}:${id}`;

const OF_CLERK = "walk:";
/** An SQL pattern for the letters about things that Clerk itself answered. */
export const DEAD_OBJECTS = `${OF_CLERK}%`;

/** What a letter is about, and the id by which Clerk is asked about it. Null: the letter is a webhook. */
export function deadObjectOf(letterId: string): { kind: LetterKind; id: string } | null {
  if (!letterId.startsWith(OF_CLERK)) return null;
  const named = letterId.slice(OF_CLERK.length);
  const [, kind, id] = /^(organization|membership):(.*)$/s.exec(named) ?? [];
  if (kind && id !== undefined) return { kind: kind as LetterKind, id };
  // Letters from before they had a kind. Only Clerk's own prefixes tell what these are about.
  if (named.startsWith("org_")) return { kind: "organization", id: named };
  if (named.startsWith("orgmem_")) return { kind: "membership", id: named };
  return { kind: "user", id: named };
}

/** The ids that a letter about this may have: before letters had a kind, all ids were made like users'. */
export const lettersOf = (kind: LetterKind, id: string): string[] =>
  kind === "user" ? [deadObjectId("user", id)] : [deadObjectId(kind, id), deadObjectId("user", id)];

/** What a letter is about. Null: its webhook says nothing that the mirror knows. */
function kindOf({ id, type }: Pick<DeadLetter, "id" | "type">): LetterKind | null {
  const object = deadObjectOf(id);
  if (object) return object.kind;
  if (type?.startsWith("organizationMembership.")) return "membership";
  if (type?.startsWith("organization.")) return "organization";
  return type && /^(user|session)\./.test(type) ? "user" : null;
}

/** Keeps something that Clerk itself answered and that could not be applied. Repeating it counts an attempt. */
export async function keepDeadObject(
  sql: Sql | Tx,
  { kind, id: named }: { kind: LetterKind; id: string },
  object: unknown,
  error: Error,
): Promise<void> {
  // The id itself may be what can't be stored.
  const id = sqlText(named).slice(0, LONGEST_ID);
  const payload = Buffer.from(printed(object));
  const letter = {
    ...{ id: deadObjectId(kind, id), type: null, userId: kind === "user" ? id : null },
    ...{ payload, error: messageOf(error) },
  };
  await insertDeadLetter(sql, letter, letter.userId ?? memberIn(object));
}

/** The user of a membership. */
function memberIn(object: unknown): string | null {
  const { public_user_data: data } = (object ?? {}) as { public_user_data?: { user_id?: unknown } | null };
  return typeof data?.user_id === "string" ? sqlText(data.user_id) : null;
}

const LONGEST_ID = 200;

/** JSON. Leaves out what is nested too deep to be printed. What names the object stands in its first two levels. */
export function printed(object: unknown, levels = 2): string {
  try {
    return JSON.stringify(object) ?? "null";
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    if (levels === 0 || Array.isArray(object)) return "null";
    const members = Object.entries(object as object).map(
      ([key, value]) => `${JSON.stringify(key)}:${printed(value, levels - 1)}`,
    );
    return `{${members.join(",")}}`;
  }
}

/**
 * Keeps a webhook, and queues refetches of what it is about. Returns false, and changes nothing, if a message with
 * this id was applied before.
 */
export async function keepDeadWebhook(
  sql: Sql,
  letter: DeadLetter,
  questions: readonly Pick<Refetch, "kind" | "id">[],
): Promise<boolean> {
  return (await sql.begin(async (tx) => {
    const { id, type, userId } = letter;
    const claimed = await claimDeliveries(tx, [{ messageId: id, type, userId, outcome: "dead_lettered" }]);
    if (claimed.size === 0) return false;
    await insertDeadLetter(tx, letter);
    await queueRefetches(
      tx,
      questions.map((question) => ({ ...question, reason: "dead_letter" })),
    );
    return true;
  })) as boolean;
}

/** Nothing is kept of a user who was erased. `about`: the user whom it names, where its column doesn't say so. */
async function insertDeadLetter(sql: Sql | Tx, letter: DeadLetter, about = letter.userId): Promise<void> {
  const { id, type, userId, payload, error } = letter;
  await sql`
    insert into mirror_data.dead_letters as d (id, type, user_id, payload, error, received_at, tried_at)
    select ${id}, ${type}, ${userId}, ${payload.toString("base64")}, ${sqlText(error).slice(0, 2000)}, now_ms, now_ms
    from (select (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms) as clock
    where not exists (select from mirror_data.users where users.id = ${about} and erased)
    on conflict (id) do update
      set payload = excluded.payload, error = excluded.error, attempts = d.attempts + 1, tried_at = excluded.tried_at`;
}

/** The oldest first, without their content: five hundred of them can be hundreds of megabytes. */
export async function listDeadLetters(sql: Sql, limit: number): Promise<ListedDeadLetter[]> {
  const rows = await sql<ListedRow[]>`
    select id, type, user_id, error, attempts, received_at, tried_at
    from mirror_data.dead_letters order by received_at, id limit ${limit}`;
  return rows.map(presentListed);
}

export async function findDeadLetter(sql: Sql, id: string): Promise<StoredDeadLetter | null> {
  const [row] = await sql<DeadLetterRow[]>`
    select id, type, user_id, payload, error, attempts, received_at, tried_at
    from mirror_data.dead_letters where id = ${id}`;
  return row ? { ...presentListed(row), payload: Buffer.from(row.payload, "base64") } : null;
}

/**
 * Deletes letters and returns how many there were. A dropped webhook counts as dealt with: a repetition of it is a
 * duplicate.
 */
export async function dropDeadLetters(sql: Sql | Tx, ids: readonly string[]): Promise<number> {
  const list = textArray(ids);
  await sql`
    update mirror_data.deliveries set outcome = 'stale'
    where message_id = any(${list}::text::text[]) and outcome = 'dead_lettered'`;
  const dropped = await sql`delete from mirror_data.dead_letters where id = any(${list}::text::text[])`;
  return dropped.count;
}

interface ListedRow {
  id: string;
  type: string | null;
  user_id: string | null;
  error: string;
  attempts: number;
  received_at: number;
  tried_at: number;
}

interface DeadLetterRow extends ListedRow {
  payload: string;
}

function presentListed(row: ListedRow): ListedDeadLetter {
  return {
    id: row.id,
    type: row.type,
    kind: kindOf(row),
    // Letters from before they had a kind have an organization's id here.
    userId:
      kindOf(row) === "organization" || deadObjectOf(row.id)?.kind === "membership" ? null : row.user_id,
    error: row.error,
    attempts: row.attempts,
    receivedAtMs: row.received_at,
    triedAtMs: row.tried_at,
  };
}
