import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LOCKED_FOR_EVER } from "../../../src/lib/lockout.js";
import { fold, MEMBERSHIP, type State, UNKNOWN, USER } from "../../../src/sync/fold/fold.js";
import {
  type Activity,
  type Gone,
  gone,
  type Live,
  type Source,
  userSnapshot,
} from "../../../src/sync/fold/snapshot.js";

const LAG_MS = 60_000;

function user(fields: Record<string, unknown>, source: Source, observedAtMs: number) {
  return userSnapshot({ id: "user_1", created_at: 1, updated_at: 1, ...fields }, source, observedAtMs);
}

type AnySnapshot = Live<Record<string, unknown>> | Gone | Activity;

function foldAll(snapshots: readonly AnySnapshot[], start: State = UNKNOWN): State {
  return snapshots.reduce((state, snapshot) => fold(USER, state, snapshot, LAG_MS).state, start);
}

/** A state without the identity of the objects in it. */
function plain({ content, goneAtMs }: State) {
  return { goneAtMs, content: content && { ...content, object: content.object() } };
}

const liveSnapshot = fc
  .record({
    updated_at: fc.integer({ min: 1, max: 4 }),
    first_name: fc.constantFrom("Ann", "Bea", null),
    private_metadata: fc.constantFrom(null, {}, { a: 1 }),
    scim: fc.constantFrom(undefined, { active: true }, { active: false }),
    last_active_at: fc.constantFrom(null, 10, 20),
    last_sign_in_at: fc.constantFrom(null, 5, 50),
    locked: fc.boolean(),
    lockout_expires_in_seconds: fc.constantFrom(null, 30),
    source: fc.constantFrom<Source>("webhook", "page", "write", "read"),
    observedAtMs: fc.integer({ min: 1, max: 5 }),
  })
  .map(({ source, observedAtMs, ...fields }) => {
    // Two answers begun at the very same moment with different kept members can't be told apart by any order.
    const moment =
      observedAtMs * 1000 +
      fields.updated_at * 10 +
      (fields.private_metadata ? 1 : 0) +
      (fields.scim ? 2 : 0);
    return user(fields, source, moment);
  });

const anySnapshot = fc.oneof(
  { weight: 6, arbitrary: liveSnapshot },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 5 }).map((at) => gone("user_1", "webhook", at)) },
);

describe("fold", () => {
  test("ends in the same state for every arrival order and any number of repetitions", () => {
    fc.assert(
      fc.property(
        fc
          .array(anySnapshot, { minLength: 1, maxLength: 6 })
          .chain((snapshots) =>
            fc.tuple(
              fc.constant(snapshots),
              fc.shuffledSubarray([...snapshots, ...snapshots], { minLength: snapshots.length * 2 }),
            ),
          ),
        ([snapshots, shuffled]) => {
          const distinct = new Map(snapshots.map((s) => [JSON.stringify(orderOf(s)), s]));
          fc.pre(distinct.size === snapshots.length);
          expect(plain(foldAll(shuffled))).toEqual(plain(foldAll(snapshots)));
        },
      ),
      { numRuns: 2000 },
    );
  });

  function orderOf(snapshot: AnySnapshot) {
    return snapshot.kind === "live"
      ? [snapshot.object.updated_at, snapshot.source === "webhook", snapshot.observedAtMs]
      : [snapshot.kind, snapshot.observedAtMs];
  }

  test("prefers the greater updated_at, whatever arrives last", () => {
    const newer = user({ updated_at: 20, first_name: "New" }, "webhook", 1);
    const older = user({ updated_at: 10, first_name: "Old" }, "page", 9);
    expect(fold(USER, foldAll([newer]), older, LAG_MS)).toMatchObject({ outcome: "stale", refetch: null });
    expect(foldAll([newer, older]).content?.object()).toMatchObject({ first_name: "New" });
  });

  test("believes an API answer more than a webhook of the same updated_at, and asks Clerk", () => {
    const webhook = user({ first_name: "Hook" }, "webhook", 9);
    const page = user({ first_name: "Page" }, "page", 1);
    for (const [first, second] of [
      [webhook, page],
      [page, webhook],
    ] as const) {
      const folded = fold(USER, foldAll([first]), second, LAG_MS);
      expect(folded.state.content?.object()).toMatchObject({ first_name: "Page" });
      expect(folded.refetch).toBe("same_updated_at");
    }
  });

  test("a refetch settles equal updated_at without asking again", () => {
    const page = user({ first_name: "Page" }, "page", 1);
    const answer = user({ first_name: "Asked" }, "refetch", 2);
    const folded = fold(USER, foldAll([page]), answer, LAG_MS);
    expect(folded.refetch).toBeNull();
    expect(folded.state.content?.object()).toMatchObject({ first_name: "Asked" });
  });

  test("keeps private metadata that a webhook leaves null, and asks Clerk", () => {
    const page = user({ updated_at: 1, private_metadata: { secret: 1 } }, "page", 1);
    const webhook = user({ updated_at: 2, private_metadata: null }, "webhook", 2);
    const folded = fold(USER, foldAll([page]), webhook, LAG_MS);
    expect(folded.state.content?.kept.private_metadata?.value).toEqual({ secret: 1 });
    expect(folded.refetch).toBe("private_metadata_unknown");
  });

  test("keeps scim, which only webhooks bring, behind a later API answer without it", () => {
    const webhook = user({ updated_at: 1, scim: { active: true } }, "webhook", 1);
    const page = user({ updated_at: 2 }, "page", 2);
    expect(foldAll([webhook, page]).content?.kept.scim?.value).toEqual({ active: true });
  });

  test("takes the greatest last_active_at and last_sign_in_at also from what loses", () => {
    const newer = user({ updated_at: 2, last_active_at: 5, last_sign_in_at: 50 }, "page", 2);
    const older = user({ updated_at: 1, last_active_at: 90, last_sign_in_at: 1 }, "webhook", 1);
    expect(foldAll([newer, older]).content).toMatchObject({
      lastActiveAtMs: 90,
      lastSignInAtMs: 50,
      updatedAtMs: 2,
    });
  });

  test("a tombstone wins over every snapshot that a walk, webhook, read or write brings", () => {
    const deleted = gone("user_1", "webhook", 1000);
    for (const source of ["webhook", "page", "write", "read"] as const) {
      for (const observedAtMs of [1, 1000 + LAG_MS, 1000 + LAG_MS + 1, 10_000_000]) {
        const folded = fold(USER, foldAll([deleted]), user({ updated_at: 99 }, source, observedAtMs), LAG_MS);
        expect(folded.state.content).toBeNull();
        expect(folded.refetch).toBe(observedAtMs > 1000 + LAG_MS ? "contradicted" : null);
      }
    }
  });

  test("only a refetch begun more than UPSTREAM_LAG after the tombstone revives", () => {
    const dead = foldAll([gone("user_1", "webhook", 1000)]);
    expect(fold(USER, dead, user({}, "refetch", 1000 + LAG_MS), LAG_MS).state.content).toBeNull();
    expect(fold(USER, dead, user({}, "refetch", 1001 + LAG_MS), LAG_MS).state).toMatchObject({
      goneAtMs: null,
    });
  });

  test("an erased user is never revived", () => {
    const erased: State = { content: null, goneAtMs: 0, erased: true };
    const folded = fold(USER, erased, user({}, "refetch", 10_000_000), LAG_MS);
    expect(folded.state).toBe(erased);
    expect(folded.refetch).toBeNull();
  });

  test("an erasure marks a tombstone, whichever of the two comes first", () => {
    const erasure = { ...gone("user_1", "refetch", 2000), erases: true };
    const deletion = gone("user_1", "webhook", 1000);
    const erased = { content: null, goneAtMs: 1000, erased: true };
    expect(foldAll([deletion, erasure])).toEqual(erased);
    expect(foldAll([erasure, deletion])).toEqual(erased);
    expect(fold(USER, erased, erasure, LAG_MS).outcome).toBe("stale");
  });

  test("a membership's tombstone is final", () => {
    const dead = fold(MEMBERSHIP, UNKNOWN, gone("orgmem_1", "webhook", 1), LAG_MS).state;
    const folded = fold(MEMBERSHIP, dead, user({ id: "orgmem_1" }, "refetch", 10_000_000), LAG_MS);
    expect(folded).toMatchObject({ outcome: "stale", refetch: null, state: dead });
  });

  test("times alone raise a known user's, create nobody, and ask Clerk", () => {
    const activity = (at: number): Activity => ({
      kind: "activity",
      id: "user_1",
      observedAtMs: 1,
      source: "webhook",
      lastActiveAtMs: at,
      lastSignInAtMs: null,
    });
    expect(fold(USER, UNKNOWN, activity(7), LAG_MS)).toEqual({
      state: UNKNOWN,
      outcome: "stale",
      refetch: "activity_only",
    });
    const known = foldAll([user({ last_active_at: 5 }, "page", 1)]);
    expect(fold(USER, known, activity(7), LAG_MS).state.content?.lastActiveAtMs).toBe(7);
    expect(fold(USER, known, activity(3), LAG_MS).outcome).toBe("stale");
  });

  test("a lock without an end never ends, one with seconds ends that long after it was observed", () => {
    const lockedUntil = (fields: Record<string, unknown>) =>
      foldAll([user(fields, "page", 5000)]).content?.lockedUntilMs;
    expect(lockedUntil({ locked: false })).toBeNull();
    expect(lockedUntil({ locked: true, lockout_expires_in_seconds: null })).toBe(LOCKED_FOR_EVER);
    expect(lockedUntil({ locked: true, lockout_expires_in_seconds: 30 })).toBe(35_000);
  });
});
