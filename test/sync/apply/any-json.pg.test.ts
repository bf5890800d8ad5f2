// Covers src/sync/apply/{rows,safe-json}.ts, src/lib/private-metadata.ts, src/lib/text.ts

import fc from "fast-check";
import { expect } from "vitest";
import { noCache } from "../../../src/cache/user-cache.js";
import { unwatched } from "../../../src/db/connection/availability.js";
import { hidePrivateMetadata } from "../../../src/lib/private-metadata.js";
import { splicePrivateMetadata, splitUser } from "../../../src/lib/user-text.js";
import { createUserQueries } from "../../../src/query/users.js";
import { applyItems } from "../../../src/sync/apply/apply.js";
import { contentHash } from "../../../src/sync/fold/content-hash.js";
import { userSnapshot } from "../../../src/sync/fold/snapshot.js";
import { test } from "../../support/database.js";

/** JSON as text: what `JSON.parse` makes of it is in question, and no JavaScript value spells these. */
const awkward = fc.constantFrom(
  '{"__proto__":{"admin":true}}',
  '{"constructor":1,"toString":null,"hasOwnProperty":"x","__proto__":null}',
  "1e400",
  "-1e400",
  "1e-400",
  "123456789012345678901234567890",
  "-0",
  '{"a":1,"a":2}',
  '{"2":1,"1":2,"b":3}',
  '"\\u0000\\ud800\\u001f\\u2028"',
  '"private_metadata"',
  '{"private_metadata":{"__proto__":1}}',
);
const json = fc.oneof(fc.json({ maxDepth: 3 }), awkward);
const user = (id: string) =>
  fc
    .record({ public: json, private: fc.option(json), unsafe: json, unknown: json })
    .map(({ public: open, private: secret, unsafe, unknown }) => {
      const hidden = secret === null ? "" : `"private_metadata":${secret},`;
      return `{"id":"${id}","created_at":1,"updated_at":1,"__proto__":${unknown},"public_metadata":${open},${hidden}"unsafe_metadata":${unsafe},"x":${unknown}}`;
    });

test("whatever JSON a user holds is split, spliced, hashed and hidden without changing a byte of the rest", () => {
  fc.assert(
    fc.property(user("user_1"), (text) => {
      const object = JSON.parse(text);
      const printed = JSON.stringify(object);
      const { payload, privatePlace, privateMetadata } = splitUser(object, { timesApart: false });
      const pieces = splicePrivateMetadata(
        Buffer.from(payload),
        privatePlace,
        Buffer.from(privateMetadata ?? "null"),
      );
      expect(String(Buffer.concat(pieces))).toBe(printed);
      const reversed = Object.fromEntries(Object.entries(object).reverse());
      expect(contentHash(reversed, new Set())).toBe(contentHash(object, new Set()));
      const hidden = hidePrivateMetadata(object) as Record<string, unknown>;
      expect(Object.keys(hidden)).toEqual(Object.keys(object));
      expect(JSON.stringify(hidden.public_metadata)).toBe(JSON.stringify(object.public_metadata));
      expect(JSON.stringify(object)).toBe(printed);
      expect(({} as Record<string, unknown>).admin).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});

test("whatever JSON a user holds is read as it was written, and its columns hold what they can", async ({
  db,
}) => {
  const queries = createUserQueries(db.database.readers, {
    nowMs: () => 1,
    availability: unwatched,
    cache: noCache,
  });
  let n = 0;
  await fc.assert(
    fc.asyncProperty(user("ID"), async (template) => {
      const id = `user_${++n}`;
      const object = JSON.parse(template.replace('"ID"', `"${id}"`));
      await applyItems(db.sql, [{ users: [userSnapshot(object, "page", 1)] }], { lagMs: 0 });
      const found = await queries.get(id, { privateMetadata: true });
      expect(found.kind === "live" && String(found.body)).toBe(JSON.stringify(object));
      expect(await db.sql`select data from mirror.users where id = ${id}`).toHaveLength(1);
    }),
    { numRuns: 60 },
  );
});
