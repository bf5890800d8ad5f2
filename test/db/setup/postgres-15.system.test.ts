// Covers drizzle/, src/db/setup/migrate.ts

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { noCache } from "../../../src/cache/user-cache.js";
import { unwatched } from "../../../src/db/connection/availability.js";
import { connect } from "../../../src/db/connection/client.js";
import { migrateDatabase } from "../../../src/db/setup/migrate.js";
import { parseListParams } from "../../../src/query/clerk-params.js";
import { createUserQueries } from "../../../src/query/users.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { clerkUser } from "../../support/clerk-user.js";
import { startPostgres15 } from "../../support/external-postgres.js";

describe("PostgreSQL 15", () => {
  let server: Awaited<ReturnType<typeof startPostgres15>>;
  beforeAll(async () => {
    server = await startPostgres15();
  });
  afterAll(() => server.remove());

  test("takes the migrations, writes and reads as the newest does, compresses payloads with lz4, and shows the views to their readers", async () => {
    await migrateDatabase({ url: server.url });
    const database = connect({ url: server.url });
    const user = clerkUser({ id: "user_1", first_name: "Ünï", public_metadata: { nul: "\u0000" } });
    await applyItems(database.primary.sql, [{ users: [userSnapshot(user, "page", 1)] }], { lagMs: 0 });
    const queries = createUserQueries(database.readers, {
      nowMs: Date.now,
      availability: unwatched,
      cache: noCache,
    });
    const list = await queries.list(parseListParams({ query: ["nï"] }), { privateMetadata: true });
    expect(JSON.parse(String(list))).toEqual([user]);
    expect(await database.primary.sql`select first_name from mirror.users`).toEqual([{ first_name: "Ünï" }]);
    const payloads = await database.primary.sql`
      select attcompression as compression from pg_attribute
      where attname = 'payload' and attrelid::regclass::text in
        ('mirror_data.users', 'mirror_data.organizations', 'mirror_data.organization_memberships')`;
    expect(payloads).toEqual(Array(3).fill({ compression: "l" }));
    const views = await database.primary.sql<{ name: string }[]>`
      select relname as name from pg_class where relnamespace = 'mirror'::regnamespace and relkind = 'v' order by 1`;
    const readBy = async (role: string) => {
      const read: string[] = [];
      for (const { name } of views) {
        const count = database.primary.sql.begin(async (tx) => {
          await tx.unsafe(`set local role ${role}`);
          await tx.unsafe(`select to_jsonb(v) from mirror.${name} v`);
        });
        await count.then(
          () => read.push(name),
          (error) => expect(error).toMatchObject({ code: "42501" }),
        );
      }
      return read;
    };
    const names = views.map(({ name }) => name);
    expect(names).toHaveLength(12);
    expect(await readBy("mirror_reader_private")).toEqual(names);
    expect(await readBy("mirror_reader")).toEqual(names.filter((name) => name !== "user_private_metadata"));
    await database.close();
  });
});
