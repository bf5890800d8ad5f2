import type { Json } from "../clerk.js";
import type { Availability } from "../db/connection/availability.js";
import { textArray } from "../db/connection/bulk.js";
import type { Sql } from "../db/connection/sql.js";
import { createPointReads } from "../lib/point-reads.js";
import { createPause } from "../lib/turns.js";
import { presentUser, type RawRow, type View } from "./present.js";
import {
  lagOf,
  membershipColumns,
  ORGANIZATION_COLUMNS,
  presentMembership,
  presentOrganization,
} from "./present-membership.js";
import { BY_ID } from "./users.js";

export interface ObjectName {
  kind: "user" | "organization" | "membership";
  id: string;
}

/** What is in the mirror now, in Clerk's shape. */
export interface CurrentObjects {
  /** For each name the JSON text, in UTF-8; null: it isn't there, or can't be shown. */
  read(names: readonly ObjectName[], view: View): Promise<(Buffer | null)[]>;
}

export interface CurrentObjectsDeps {
  /** A replica, or a cache, may not have what the feed tells of. */
  sql: Sql;
  availability: Pick<Availability, "guard">;
  nowMs: () => number;
  lagMs: number;
}

const IDS = "any($1::text::text[])";
const ORGANIZATIONS = `select o.id, ${ORGANIZATION_COLUMNS}
  from mirror_data.organizations o where o.id = ${IDS} and o.payload is not null`;
/** Those that the list of a user's memberships shows. */
const MEMBERSHIPS = `select m.id, u.payload, ${membershipColumns("$2")}
  from mirror_data.organization_memberships m
  join mirror_data.users u on u.id = m.user_id join mirror_data.organizations o on o.id = m.organization_id
  where m.id = ${IDS} and m.payload is not null and u.payload is not null and o.payload is not null`;

/** What several ask for at a time is read together: all followers of the feed want the same objects at the same moment. */
export function createCurrentObjects({
  sql,
  availability,
  nowMs,
  lagMs,
}: CurrentObjectsDeps): CurrentObjects {
  const readsOf = (statement: string, ...values: string[]) =>
    createPointReads<RawRow>((ids) =>
      availability.guard(async () => {
        const rows: RawRow[] = await sql
          .unsafe(statement, [textArray(ids), ...values], { prepare: true })
          .raw();
        return new Map(rows.map((row) => [String(row[0]), row]));
      }),
    );
  const kinds = {
    user: {
      read: readsOf(BY_ID),
      present: (row: RawRow, view: View) =>
        row[2] ? Buffer.concat(presentUser(row, view, nowMs(), 2).pieces) : null,
    },
    organization: {
      read: readsOf(ORGANIZATIONS),
      present: (row: RawRow, view: View) => printed(presentOrganization(row, 1, view)),
    },
    membership: {
      read: readsOf(MEMBERSHIPS, String(lagOf(lagMs))),
      present: (row: RawRow, view: View) =>
        printed(presentMembership(row, 2, JSON.parse(String(row[1])), view)),
    },
  };
  return {
    async read(names, view) {
      const rows = await Promise.all(names.map(({ kind, id }) => kinds[kind].read(id)));
      const texts: (Buffer | null)[] = [];
      const pause = createPause();
      for (const [n, { kind }] of names.entries()) {
        const row = rows[n];
        texts.push(row ? kinds[kind].present(row, view) : null);
        await pause();
      }
      return texts;
    },
  };
}

const printed = (object: Json | null) => (object ? Buffer.from(JSON.stringify(object)) : null);
