import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createUserCache, type Flight } from "../../src/cache/user-cache.js";

const ready = (text: string) => ({ kind: "live" as const, body: Buffer.from(text), etag: `"${text}"` });
const current = { maxBytes: 1_000_000, isCurrent: () => true };

/** What happens, one step after another, to one of three users and to the reads of them that are under way. */
const step = fc.record({
  what: fc.constantFrom("begin", "read", "keep", "commit", "hear", "hear all", "get"),
  id: fc.constantFrom("a", "b", "c"),
  flight: fc.nat(3),
  variant: fc.constantFrom("public", "private"),
});

describe("the cache of users", () => {
  test("never serves what was read before the last change that was heard of", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const cache = createUserCache(current);
        const committed = new Map([..."abc"].map((id) => [id, 0]));
        const heard = new Map(committed);
        const flights: { id: string; flight: Flight; version: number | null }[] = [];
        for (const { what, id, flight: nth, variant } of steps) {
          const flight = flights[nth];
          if (what === "begin") flights.push({ id, flight: cache.begin(id), version: null });
          if (what === "read" && flight) flight.version ??= committed.get(flight.id) ?? 0;
          if (what === "keep" && flight?.version != null) {
            flight.flight.keep(variant, () => ready(String(flight.version)));
            flight.flight.end();
            flights.splice(nth, 1);
          }
          if (what === "commit") committed.set(id, (committed.get(id) ?? 0) + 1);
          if (what === "hear") {
            cache.invalidate([id]);
            heard.set(id, committed.get(id) ?? 0);
          }
          if (what === "hear all") {
            cache.invalidate("all");
            for (const [one, version] of committed) heard.set(one, version);
          }
          const found = cache.get(id, variant);
          if (found) expect(Number(found.body)).toBeGreaterThanOrEqual(heard.get(id) ?? 0);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("serves each variant to those who may see it, and drops both together", () => {
    const cache = createUserCache(current);
    const flight = cache.begin("a");
    flight.keep("private", () => ready("secret"));
    expect(cache.get("a", "public")).toBeUndefined();
    flight.keep("public", () => ready("open"));
    flight.end();
    expect([String(cache.get("a", "private")?.body), String(cache.get("a", "public")?.body)]).toEqual([
      "secret",
      "open",
    ]);
    cache.invalidate(["a"]);
    expect([cache.get("a", "private"), cache.get("a", "public")]).toEqual([undefined, undefined]);
  });

  test("holds no more than it may, the latest read first", () => {
    const cache = createUserCache({ maxBytes: 10_000, isCurrent: () => true });
    for (let n = 0; n < 100; n++) {
      const flight = cache.begin(`user_${n}`);
      flight.keep("public", () => ready("x".repeat(700)));
      flight.end();
    }
    expect(cache.stats()).toMatchObject({ entries: 10, bytes: 10_000, in_use: true });
    expect(cache.get("user_99", "public")).toBeDefined();
    expect(cache.get("user_89", "public")).toBeUndefined();
  });

  test.each([
    ["it may hold nothing", { maxBytes: 0, isCurrent: () => true }],
    ["it doesn't hear of changes", { maxBytes: 1_000_000, isCurrent: () => false }],
  ])("keeps nothing while %s", (_why, options) => {
    const cache = createUserCache(options);
    const flight = cache.begin("a");
    flight.keep("public", () => ready("1"));
    flight.end();
    expect(cache.get("a", "public")).toBeUndefined();
    expect(cache.stats()).toMatchObject({ in_use: false, entries: 0 });
  });

  test("serves nothing from the moment that it stops hearing of changes", () => {
    let isCurrent = true;
    const cache = createUserCache({ maxBytes: 1_000_000, isCurrent: () => isCurrent });
    const flight = cache.begin("a");
    flight.keep("public", () => ready("1"));
    expect(cache.get("a", "public")).toBeDefined();
    isCurrent = false;
    expect(cache.get("a", "public")).toBeUndefined();
  });
});
