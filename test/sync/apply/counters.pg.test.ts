// Covers src/changes/counters.ts, src/sync/apply/apply.ts

import fc from "fast-check";
import { describe, expect } from "vitest";
import type { Sql } from "../../../src/db/connection/sql.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import type { Item } from "../../../src/sync/apply/batch.js";
import { gone, organizationSnapshot, userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import { test } from "../../support/database.js";

/** One batch of a writer: what it says of some of a dozen users and organizations, and how its transaction ends. */
const batch = fc.record({
  said: fc.array(
    fc.record({
      kind: fc.constantFrom("user", "organization"),
      nth: fc.nat(5),
      at: fc.integer({ min: 1, max: 50 }),
      isGone: fc.boolean(),
    }),
    { minLength: 1, maxLength: 8 },
  ),
  isTakenBack: fc.boolean(),
});

const writers = fc.array(fc.array(batch, { maxLength: 5 }), { minLength: 2, maxLength: 5 });

type Batch = typeof batch extends fc.Arbitrary<infer T> ? T : never;

function itemOf({ kind, nth, at, isGone }: Batch["said"][number]): Item {
  if (kind === "user") {
    const id = `user_${nth}`;
    const snapshot = userSnapshot(clerkUser({ id, updated_at: at }), "webhook", at);
    return { users: [isGone ? gone(id, "webhook", at) : snapshot] };
  }
  const id = `org_${nth}`;
  const organization = {
    ...{ object: "organization", id, name: `Organization ${nth}`, slug: id, created_at: 1, updated_at: at },
    ...{ public_metadata: {}, max_allowed_memberships: 5, admin_delete_enabled: true },
  };
  return {
    organizations: [isGone ? gone(id, "webhook", at) : organizationSnapshot(organization, "webhook", at)],
  };
}

/** A dry run does everything and rolls it back at the very end. */
const write = (sql: Sql, { said, isTakenBack }: Batch) =>
  applyItems(sql, said.map(itemOf), { lagMs: 60_000, dryRun: isTakenBack });

/** The counters beside what they count. */
async function counts(sql: Sql) {
  const counters = await sql<{ name: string; n: number }[]>`select name, n from mirror_data.counters`;
  const [rows] = await sql<{ users: number; search: number; activity: number; organizations: number }[]>`
    select (select count(*) from mirror_data.users where payload is not null)::bigint as users,
      (select count(*) from mirror_data.user_search)::bigint as search,
      (select count(*) from mirror_data.user_activity)::bigint as activity,
      (select count(*) from mirror_data.organizations where payload is not null)::bigint as organizations`;
  const counted = new Map(counters.map(({ name, n }) => [name, n]));
  return { counted, rows };
}

describe("the counters", () => {
  test("say what there is, whatever concurrent writers did, and took back", async ({ db }) => {
    await fc.assert(
      fc.asyncProperty(writers, async (all) => {
        await db.truncate();
        await Promise.all(
          all.map(async (batches) => {
            for (const one of batches) await write(db.sql, one);
          }),
        );
        const { counted, rows } = await counts(db.sql);
        const users = counted.get("users");
        expect(rows).toEqual({
          ...{ users, search: users, activity: users },
          organizations: counted.get("organizations"),
        });
      }),
      { numRuns: 60 },
    );
  });
});
