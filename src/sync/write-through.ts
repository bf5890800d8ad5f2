import type { Sql } from "../db/client.js";
import type { Clock } from "../db/clock.js";
import type { Logger } from "../observability/logger.js";
import type { Effect } from "../upstream/paths.js";
import type { Item } from "./apply.js";
import { keepDeadUser } from "./dead-letters.js";
import { applyIsolated, isPoison } from "./isolate.js";
import type { Refetcher } from "./refetch.js";
import { queueRefetches, type Refetch } from "./refetches.js";
import {
  embeddedOrganization,
  gone,
  membershipSnapshot,
  organizationSnapshot,
  userSnapshot,
} from "./snapshot.js";

/** Clerk's answer to a request that was forwarded. */
export interface WriteAnswer {
  status: number;
  body: Buffer;
  startedAtMs: number;
}

export interface WriteThrough {
  /**
   * Applies what Clerk's answer says; when this resolves, a read sees it. Never rejects: Clerk has done what it was asked,
   * and a caller told otherwise would do it twice. What could not be applied is asked of Clerk again.
   */
  applyAnswer(effect: Effect, answer: WriteAnswer): Promise<void>;
}

export interface WriteThroughOptions {
  sql: Sql;
  refetcher: Pick<Refetcher, "user">;
  clock: Pick<Clock, "now">;
  lagMs: number;
  log: Logger;
}

export function createWriteThrough(options: WriteThroughOptions): WriteThrough {
  const { sql, refetcher, clock, lagMs, log } = options;

  async function applyAnswer(effect: Effect, answer: WriteAnswer): Promise<void> {
    if (effect.kind === "none") return;
    try {
      if (answer.status >= 200 && answer.status < 300) await applySuccess(effect, answer);
      else if (answer.status === 404) await doubt(userOf(effect));
    } catch (error) {
      log.error({ err: error, effect: effect.kind }, "Clerk accepted a write that could not be applied here");
      await doubt(userOf(effect) ?? namedUser(answer.body)).catch(() => {});
    }
  }

  async function applySuccess(effect: Effect, answer: WriteAnswer): Promise<void> {
    const value = parseJson(answer.body);
    if (effect.kind === "refetch_user") {
      const userId = effect.userId ?? namedUser(answer.body);
      if (userId) await refetcher.user(userId, "caller");
      return;
    }
    const usable: { part: Part; item: Item }[] = [];
    for (const part of partsOf(effect, value, answer.startedAtMs)) {
      try {
        usable.push({ part, item: part.item() });
      } catch (error) {
        await keep(part, error);
      }
    }
    const results = await applyIsolated(
      sql,
      usable.map(({ item }) => item),
      { lagMs },
    );
    for (const [index, result] of results.entries()) {
      if (result.kind === "poison") await keep(usable[index]?.part, result.error);
    }
  }

  /** What one part of an answer lacks doesn't keep the rest from being applied. */
  async function keep(part: Part | undefined, error: unknown): Promise<void> {
    if (!part?.userId || !isPoison(error)) throw error;
    await keepDeadUser(sql, part.userId, part.object, error);
  }

  function partsOf(effect: Effect, value: unknown, startedAtMs: number): Part[] {
    const user = (object: unknown): Part => ({
      item: () => ({ users: [userSnapshot(object, "write", startedAtMs)] }),
      userId: idOf(object),
      object,
    });
    const organization = (object: unknown): Part => ({
      item: () => ({ organizations: [organizationSnapshot(object, "write", startedAtMs)] }),
      userId: null,
      object,
    });
    const membership = (object: unknown): Part => ({
      item: () => {
        const snapshot = membershipSnapshot(object, "write", startedAtMs);
        return { memberships: [snapshot], organizations: embeddedOrganization(snapshot.object, startedAtMs) };
      },
      userId: null,
      object,
    });
    const deleted = (item: Item): Part[] => [{ item: () => item, userId: null, object: value }];
    switch (effect.kind) {
      case "user":
        return [user(value)];
      case "users":
        return listOf(value).map(user);
      case "organization":
        return [organization(value)];
      case "organizations":
        return listOf(value).map(organization);
      case "membership":
        return [membership(value)];
      case "memberships":
        return listOf(value).map(membership);
      case "user_deleted":
        return deleted({ users: [gone(effect.userId, "write", clock.now())] });
      case "organization_deleted":
        return deleted({ organizations: [gone(effect.organizationId, "write", clock.now())] });
      case "membership_deleted":
        return deleted({ memberships: [gone(idOf(value) ?? "", "write", clock.now())] });
      default:
        return [];
    }
  }

  /** A 404 is no tombstone, and a failure no answer: a user that the mirror holds is asked about. */
  async function doubt(id: string | null): Promise<void> {
    if (!id) return;
    const refetch: Refetch = { kind: "user", id, reason: "write_not_applied" };
    const [known] = await sql`select from mirror_data.users where id = ${id} and deleted_at is null`;
    if (known) await queueRefetches(sql, [refetch]);
  }

  return { applyAnswer };
}

/** One thing that an answer says; `item` throws `invalid_payload` where it is unusable. */
interface Part {
  item: () => Item;
  userId: string | null;
  object: unknown;
}

const userOf = (effect: Effect) => ("userId" in effect ? effect.userId : null);

function namedUser(body: Buffer): string | null {
  const value = parseJson(body);
  const id = value && typeof value === "object" ? (value as { user_id?: unknown }).user_id : null;
  return typeof id === "string" ? id : null;
}

function idOf(value: unknown): string | null {
  const id = value && typeof value === "object" ? (value as { id?: unknown }).id : null;
  return typeof id === "string" ? id : null;
}

/** A bare array, or the envelope that Clerk has for some lists. */
function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  const data = value && typeof value === "object" ? (value as { data?: unknown }).data : null;
  return Array.isArray(data) ? data : [];
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return null;
  }
}
