import type { Sql } from "../../db/connection/sql.js";
import { errorOf } from "../../lib/errors.js";
import { runLoop } from "../../lib/loop.js";
import type { Logger } from "../../observability/logger.js";
import type { Priority } from "../../upstream/request-queue.js";
import type { ClerkApi } from "../../upstream/users.js";
import { applyItems } from "../apply/apply.js";
import type { OnCommitted } from "../apply/batch.js";
import { isPoison } from "../apply/isolate.js";
import {
  type Activity,
  gone,
  organizationSnapshot,
  type UserSnapshot,
  userSnapshot,
} from "../fold/snapshot.js";
import { dropDeadLetters, keepDeadObject, lettersOf } from "../ledger/dead-letters.js";
import { type RefetchKind, visitsOf } from "../ledger/refetch-queue.js";
import { refetchMembership } from "./refetch-membership.js";

export interface Refetcher {
  /** Asks Clerk about everything that is due, and returns how many questions it asked. */
  drain(signal?: AbortSignal): Promise<number>;
  /** Works on the queue until aborted. Never fails: what Clerk or Postgres refuses now is tried again. */
  run(signal: AbortSignal): Promise<void>;
  /**
   * Asks about one user now and applies the answer before it returns. False: Clerk's answer can't be stored and is
   * kept as a dead letter. Rejects if Clerk can't be asked.
   */
  user(id: string, priority: Priority, signal?: AbortSignal): Promise<boolean>;
}

export interface RefetcherDeps {
  sql: Sql;
  api: Pick<ClerkApi, "getUser" | "getOrganization" | "listOrganizationMemberships">;
  lagMs: number;
  onCommitted?: OnCommitted;
  log: Logger;
}

/** How many questions one batch asks at once: few, so that other requests never wait long behind them. */
const BATCH = 8;
const IDLE_MS = 1000;
/** Eight questions that wait for locks would hold all connections. They are asked again later. */
const LOCK_TIMEOUT_MS = 250;
/** A question without an answer is asked again after 1, 2, 4 … seconds, up to this many. */
const SLOWEST_RETRY_SECONDS = 300;

export function createRefetcher(deps: RefetcherDeps): Refetcher {
  const { sql, api, lagMs, onCommitted, log } = deps;

  async function user(id: string, priority: Priority, signal?: AbortSignal): Promise<boolean> {
    const answer = await api.getUser(id, { priority, ...(signal && { signal }) });
    try {
      const users =
        answer.kind === "live"
          ? [userSnapshot(answer.object, "refetch", answer.startedAtMs), ...(await visits(id, answer))]
          : [gone(id, "refetch", answer.startedAtMs)];
      await applyItems(sql, [{ users }], { lagMs, onCommitted, lockTimeoutMs: LOCK_TIMEOUT_MS });
      await dropDeadLetters(sql, lettersOf("user", id));
      return true;
    } catch (error) {
      if (!isPoison(error) || answer.kind === "gone") throw error;
      await keepDeadObject(sql, { kind: "user", id }, answer.object, error);
      await forget("user", id);
      return false;
    }
  }

  /** What sessions have told of the user before anything else was known. */
  async function visits(id: string, { startedAtMs }: { startedAtMs: number }): Promise<UserSnapshot[]> {
    const waiting = await visitsOf(sql, id);
    return waiting.map(
      ([lastActiveAtMs, lastSignInAtMs]): Activity => ({
        ...{ kind: "activity", id, source: "refetch", observedAtMs: Math.trunc(startedAtMs) },
        ...{ lastActiveAtMs, lastSignInAtMs },
      }),
    );
  }

  async function organization(id: string, signal?: AbortSignal): Promise<void> {
    const answer = await api.getOrganization(id, { priority: "refetch", ...(signal && { signal }) });
    try {
      const snapshot =
        answer.kind === "live"
          ? organizationSnapshot(answer.object, "refetch", answer.startedAtMs)
          : gone(id, "refetch", answer.startedAtMs);
      await applyItems(sql, [{ organizations: [snapshot] }], { lagMs, lockTimeoutMs: LOCK_TIMEOUT_MS });
      await dropDeadLetters(sql, lettersOf("organization", id));
    } catch (error) {
      if (!isPoison(error) || answer.kind === "gone") throw error;
      await keepDeadObject(sql, { kind: "organization", id }, answer.object, error);
      await forget("organization", id);
    }
  }

  async function membership(key: string, signal?: AbortSignal): Promise<void> {
    const isKnown = await refetchMembership({ sql, api, lagMs }, key, signal);
    // If Clerk doesn't know the organization, it is gone, and its memberships go with it.
    if (!isKnown) await organization(key.split("/")[0] ?? "", signal);
    await forget("membership", key);
  }

  function ask(kind: RefetchKind, id: string, signal?: AbortSignal): Promise<unknown> {
    if (kind === "membership") return membership(id, signal);
    return kind === "organization" ? organization(id, signal) : user(id, "refetch", signal);
  }

  async function forget(kind: RefetchKind, id: string): Promise<void> {
    await sql`delete from mirror_data.refetches where kind = ${kind} and id = ${id}`;
  }

  async function drain(signal?: AbortSignal): Promise<number> {
    let asked = 0;
    for (let due = await claim(); due.length > 0; due = await claim()) {
      signal?.throwIfAborted();
      const answers = await Promise.allSettled(due.map(({ kind, id }) => ask(kind, id, signal)));
      signal?.throwIfAborted();
      for (const answer of answers) {
        // The row stays and becomes due again.
        if (answer.status === "rejected") {
          log.warn(
            { reason: errorOf(answer.reason).message },
            "a refetch found no answer and will be repeated",
          );
        }
      }
      asked += due.length;
    }
    return asked;
  }

  /** Takes those that are due. Nobody takes them again before their next date, so that processes share the work. */
  function claim(): Promise<{ kind: RefetchKind; id: string }[]> {
    return sql<{ kind: RefetchKind; id: string }[]>`
      update mirror_data.refetches q
      set attempts = attempts + 1,
        next_at = now_ms + 1000 * least(${SLOWEST_RETRY_SECONDS}::bigint, 2 ^ least(attempts, 20))::bigint
      from (select (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms) as clock
      where (kind, id) in (
        select kind, id from mirror_data.refetches
        where next_at <= (extract(epoch from clock_timestamp()) * 1000)::bigint
          -- Nothing is put off for longer: the clock was set back.
          or next_at > (extract(epoch from clock_timestamp()) * 1000)::bigint + ${2000 * SLOWEST_RETRY_SECONDS}::bigint
        order by next_at limit ${BATCH} for update skip locked)
      returning q.kind, q.id`;
  }

  const run = (signal: AbortSignal) =>
    runLoop({
      ...{ signal, step: drain, startsWith: "step", pauseMs: IDLE_MS },
      onFailure: ({ message }) => log.warn({ reason: message }, "the refetch queue could not be read"),
    });

  return { drain, run, user };
}
