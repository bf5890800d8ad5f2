import type { ClerkUser } from "../../clerk.js";
import type { Availability } from "../../db/connection/availability.js";
import { textArray } from "../../db/connection/bulk.js";
import type { Clock } from "../../db/connection/clock.js";
import type { Sql } from "../../db/connection/sql.js";
import { AppError } from "../../lib/errors.js";
import { type FieldPolicy, NO_POLICY } from "../../lib/field-policy/policy.js";
import { createPause } from "../../lib/turns.js";
import type { Logger } from "../../observability/logger.js";
import type { AnswerEffect } from "../../upstream/clerk-routes.js";
import type { Item, OnCommitted } from "../apply/batch.js";
import { applyInChunks } from "../apply/chunks.js";
import { isPoison } from "../apply/isolate.js";
import type { Live } from "../fold/snapshot.js";
import { keepDeadObject } from "../ledger/dead-letters.js";
import { queueRefetches, type Refetch } from "../ledger/refetch-queue.js";
import { COMPARED_AT_ONCE } from "../reconcile/apply-page.js";
import { compareUsers } from "../reconcile/unchanged.js";
import { idIn, membershipKey } from "../webhooks/events.js";
import {
  applyToAnswer,
  idOf,
  namedUser,
  type Part,
  parseAnswer,
  partsOf,
  usersNamedIn,
} from "./answer-parts.js";
import type { Refetcher } from "./refetcher.js";
import type { Unapplied } from "./unapplied.js";

/** Clerk's answer to a forwarded request. */
export interface WriteAnswer {
  status: number;
  body: Buffer;
  startedAtMs: number;
}

/** What applying an answer needs beside the answer. */
interface Applying {
  effect: AnswerEffect;
  answer: WriteAnswer;
  learntAtMs: number;
}

export interface WriteThrough {
  /**
   * Applies what Clerk's answer says. When this resolves with true, a read sees it. Never rejects: Clerk has done
   * what it was asked, and a caller who is told otherwise would do it twice. What could not be applied of a write is
   * tried until it can be, and its users aren't read from here until then. What can't be stored becomes a dead
   * letter, and Clerk is asked about it.
   */
  applyAnswer(effect: AnswerEffect, answer: WriteAnswer, by: "read" | "write"): Promise<boolean>;
  /** A write whose answer was lost may have been done, so Clerk is asked about its user. Never rejects. */
  applyUnanswered(effect: AnswerEffect): Promise<void>;
}

export interface WriteThroughDeps {
  sql: Sql;
  availability: Pick<Availability, "guard">;
  unapplied: Pick<Unapplied, "keep" | "concerns">;
  refetcher: Pick<Refetcher, "user">;
  clock: Pick<Clock, "now">;
  lagMs: number;
  onCommitted?: OnCommitted;
  /** Decides what is stored of an answer. The caller gets the answer as it is. */
  fieldPolicy?: FieldPolicy;
  log: Logger;
}

/** A caller waits for the answer, and a connection is held meanwhile. What is locked for longer is applied later. */
const LOCK_TIMEOUT_MS = 250;

/** `again`: it had to wait for a lock, or for a database that was away. */
type Work = (again: boolean) => Promise<boolean>;

export function createWriteThrough(deps: WriteThroughDeps): WriteThrough {
  const { sql, availability, unapplied, refetcher, clock, lagMs, onCommitted, log } = deps;
  const { fieldPolicy = NO_POLICY } = deps;

  async function applyAnswer(
    effect: AnswerEffect,
    answer: WriteAnswer,
    by: "read" | "write",
  ): Promise<boolean> {
    if (effect.kind === "none") return true;
    const applying: Applying = { effect, answer, learntAtMs: clock.now() };
    const work = workOf(applying);
    if (!work) return true;
    const userIds = by === "write" ? await usersOf(applying) : [];
    const keep = () => unapplied.keep(userIds, () => work(true), answer.body.length);
    // What waits because of this user is tried again soon, so this needn't find out that it must wait as well.
    if (userIds.some(unapplied.concerns)) {
      keep();
      return false;
    }
    try {
      return await availability.guard(() => work(false));
    } catch (error) {
      if (by === "read") return false;
      log.error({ err: error, effect: effect.kind }, "Clerk accepted a write that could not be applied here");
      // An unusable answer stays unusable. Any other cause may be gone in a moment.
      if (!isPoison(error)) keep();
      await doubt(userIds);
      return false;
    }
  }

  async function applyUnanswered(effect: AnswerEffect): Promise<void> {
    const userId = userOf(effect);
    if (userId !== null) await doubt([userId]);
  }

  /** Null: the answer says nothing about the mirror's data. */
  function workOf({ effect, answer, learntAtMs }: Applying): Work | null {
    if (answer.status >= 200 && answer.status < 300)
      return (again) => applySuccess({ effect, answer, learntAtMs }, again);
    const userId = userOf(effect);
    // A 404 is no tombstone. And a 5xx may come from something that stands before a Clerk that has done it.
    if ((answer.status !== 404 && answer.status < 500) || userId === null) return null;
    return () => doubt([userId]).then(() => true);
  }

  /** Whether all of it is stored. */
  async function applySuccess({ effect, answer, learntAtMs }: Applying, again: boolean): Promise<boolean> {
    const value = await parseAnswer(answer.body);
    if (effect.kind === "refetch_user") {
      const userId = effect.userId ?? namedUser(value);
      return userId ? refetcher.user(userId, "caller") : true;
    }
    applyToAnswer(fieldPolicy, effect, value);
    let isWhole = true;
    const pause = createPause();
    const usable: UsablePart[] = [];
    for (const part of partsOf(effect, value, { startedAtMs: answer.startedAtMs, learntAtMs })) {
      try {
        usable.push({ part, item: part.item() });
      } catch (error) {
        await keep(part, error);
        isWhole = false;
      }
      await pause();
    }
    const news = effect.kind === "users" ? await withoutRepeats(usable) : usable;
    const items = news.map(({ item }) => item);
    const results = await applyInChunks(sql, items, answer.body.length, {
      ...{ lagMs, onCommitted, looksFirst: again, lockTimeoutMs: LOCK_TIMEOUT_MS },
    });
    for (const [index, result] of results.entries()) {
      if (result.kind === "locked") {
        throw new AppError(
          "database_unavailable",
          `Another session of Postgres holds ${result.ids.join(", ")}.`,
        );
      }
      if (result.kind !== "poison") continue;
      await keep(news[index]?.part, result.error);
      isWhole = false;
    }
    return isWhole;
  }

  /**
   * Most of a page that somebody reads is known here already. That is seen without a lock, and nothing is written.
   */
  async function withoutRepeats(parts: readonly UsablePart[]): Promise<UsablePart[]> {
    const news: UsablePart[] = [];
    for (let from = 0; from < parts.length; from += COMPARED_AT_ONCE) {
      const some = parts.slice(from, from + COMPARED_AT_ONCE);
      const snapshots = some.flatMap(({ item }) => (item.users ?? []) as Live<ClerkUser>[]);
      const comparisons = await compareUsers(sql, snapshots);
      news.push(...some.filter((_, index) => comparisons[index] !== "repeat"));
    }
    return news;
  }

  /** What one part of an answer lacks doesn't keep the rest from being applied. */
  async function keep(part: Part | undefined, error: unknown): Promise<void> {
    const id = idOf(part?.object);
    if (!part?.kind || id === null || !isPoison(error)) throw error;
    await keepDeadObject(sql, { kind: part.kind, id }, part.object, error);
    if (part.kind === "user") return doubt([id]);
    const asked = part.kind === "organization" ? idIn(part.object, "id") : membershipKey(part.object);
    if (asked) await queueRefetches(sql, [{ kind: part.kind, id: asked, reason: "write_in_doubt" }]);
  }

  /** Clerk is asked about those that the mirror holds. If that can't be noted, the next reconcile finds out. */
  async function doubt(userIds: readonly string[]): Promise<void> {
    if (userIds.length === 0) return;
    const queue = async () => {
      const known = await sql<{ id: string }[]>`
        select id from mirror_data.users where id = any(${textArray(userIds)}::text::text[]) and deleted_at is null`;
      const refetches = known.map(({ id }): Refetch => ({ kind: "user", id, reason: "write_in_doubt" }));
      await queueRefetches(sql, refetches);
    };
    await availability.guard(queue).catch((error) => log.warn({ err: error }, "a doubt could not be noted"));
  }

  return { applyAnswer, applyUnanswered };
}

interface UsablePart {
  part: Part;
  item: Item;
}

const userOf = (effect: AnswerEffect) => ("userId" in effect ? effect.userId : null);

/** The users that a write is about, as far as its path and answer name them. */
async function usersOf({ effect, answer }: Applying): Promise<string[]> {
  const named = usersNamedIn(await parseAnswer(answer.body));
  return [userOf(effect), ...named].filter((id) => id !== null);
}
