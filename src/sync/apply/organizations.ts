import { textArray } from "../../db/connection/bulk.js";
import { send, type Tx } from "../../db/connection/sql.js";
import { exactKey } from "../../lib/text.js";
import { MEMBERSHIP, ORGANIZATION } from "../fold/fold.js";
import type { MembershipSnapshot, OrganizationSnapshot } from "../fold/snapshot.js";
import type { ApplyOptions, Effects, Incoming } from "./batch.js";
import type { FoldedTable } from "./folded-table.js";
import { type FoldTable, foldLocked, type Writing } from "./merge-locked.js";
import { membershipRow, organizationRow, stateOf } from "./rows.js";
import { memberships, organizations, type StoredRow } from "./tables.js";
import { createTombstoneQuestions } from "./tombstone-questions.js";

/** Like `applyUsers`, for organizations. */
export async function applyOrganizations(
  tx: Tx,
  incoming: readonly Incoming<OrganizationSnapshot>[],
  options: ApplyOptions,
): Promise<Effects> {
  const result = await foldLocked(tx, organizationsTable, incoming, options.lagMs);
  const asked = await askAboutTombstones(tx, result.contradicted);
  return { ...result, refetches: [...result.refetches, ...asked] };
}

/** A tombstone has no use for `observed_at`, which therefore holds the time of the last question. */
const askAboutTombstones = createTombstoneQuestions("organization", "organizations", "observed_at");

/** Like `applyUsers`, for memberships; a membership's tombstone is final, and of an erased user none is stored. */
export async function applyMemberships(
  tx: Tx,
  incoming: readonly Incoming<MembershipSnapshot>[],
  options: ApplyOptions,
): Promise<Effects> {
  const erased = await erasedAmong(
    tx,
    incoming.flatMap(({ snapshot }) => memberOf(snapshot) ?? []),
  );
  const kept = incoming.filter(({ snapshot }) => !erased.has(memberOf(snapshot) ?? ""));
  return foldLocked(tx, membershipsTable, kept, options.lagMs);
}

const memberOf = (snapshot: MembershipSnapshot) =>
  snapshot.kind === "live" ? exactKey(snapshot.object.public_user_data.user_id) : null;

async function erasedAmong(tx: Tx, users: readonly string[]): Promise<Set<string>> {
  if (users.length === 0) return new Set();
  const found = await send<{ id: string }>(tx, ERASED, [textArray([...new Set(users)])]);
  return new Set(found.map(({ id }) => id));
}

const ERASED = "select id from mirror_data.users where id = any($1::text::text[]) and erased";

const NOTHING_TO_WRITE: Writing = { written: Promise.resolve() };

/** What folding needs of a table from which nothing follows. */
function plainTable<R extends StoredRow>(
  table: FoldedTable<R>,
  differs: Pick<FoldTable<R>, "kind" | "name" | "refetch" | "rowOf">,
): FoldTable<R> {
  return {
    ...differs,
    existing: table.existing,
    insert: table.insert,
    lock: async (tx, ids) => (await table.lock(tx, ids)).map((row) => ({ row, state: stateOf(row) })),
    async write(tx, outcomes) {
      const known = outcomes.flatMap(({ before, after }) => (before ? [after] : []));
      return known.length > 0 ? { written: table.update(tx, known) } : NOTHING_TO_WRITE;
    },
  };
}

const organizationsTable = plainTable(organizations, {
  kind: ORGANIZATION,
  name: "organization",
  refetch: "organization",
  rowOf: organizationRow,
});

const membershipsTable = plainTable(memberships, {
  kind: MEMBERSHIP,
  name: "membership",
  refetch: null,
  rowOf: membershipRow,
});
