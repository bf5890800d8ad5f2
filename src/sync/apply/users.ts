import { isDeepStrictEqual } from "node:util";
import type { ClerkUser } from "../../clerk.js";
import { plainArray, textArray } from "../../db/connection/bulk.js";
import type { Tx } from "../../db/connection/sql.js";
import { rareGramsInParts } from "../../lib/grams.js";
import { createPause } from "../../lib/turns.js";
import { USER } from "../fold/fold.js";
import { RANK, type UserSnapshot } from "../fold/snapshot.js";
import { withdrawAsOf } from "../ledger/proof.js";
import { CONTRADICTED, type Refetch } from "../ledger/refetch-queue.js";
import type { ApplyOptions, Effects, Incoming } from "./batch.js";
import { type Derived, derivedRows } from "./derive.js";
import { type FoldTable, foldLocked, type Outcome } from "./merge-locked.js";
import { deletedAt, orderColumns } from "./organizations.js";
import { type StoredUser, stateOf, userRow } from "./rows.js";
import {
  deleteDerived,
  type IdentifierColumns,
  identifierColumns,
  writeActivity,
  writeIdentifiers,
  writeMetadata,
  writeSearch,
} from "./user-tables.js";

/** Folds what came in into `users` and brings the tables derived from it in line. */
export async function applyUsers(
  tx: Tx,
  incoming: readonly Incoming<UserSnapshot>[],
  known: ReadonlySet<string>,
  options: ApplyOptions,
): Promise<Effects> {
  const existing = async () => known;
  const result = await foldLocked(tx, { ...usersTable, existing }, incoming, options.lagMs);
  const asked = await askAboutTombstones(tx, result.contradicted);
  await withdrawProof(tx, result.outcomes, options.lagMs);
  return { ...result, refetches: [...result.refetches, ...asked] };
}

/**
 * A webhook may come so late that its user was deleted before the mirror ever heard of it. Where the mirror was proved
 * complete without that user, the event isn't refused, and the proof no longer reaches beyond it: the next check decides.
 */
async function withdrawProof(tx: Tx, outcomes: readonly Outcome<UserRow>[], lagMs: number): Promise<void> {
  const toldOf = outcomes.filter(
    ({ before, after }) => before === null && after.payload !== null && after.source === RANK.webhook,
  );
  const times = toldOf.map(({ after }) => after.updated_at);
  if (times.length > 0) await withdrawAsOf(tx, Math.min(...times), lagMs);
}

/** Which of these users have a row, as far as a look without a lock can tell. */
export async function existingUsers(tx: Tx, ids: ReadonlySet<string>): Promise<Set<string>> {
  if (ids.size === 0) return new Set();
  const rows = await tx<{ id: string }[]>`
    select id from mirror_data.users where id = any(${textArray([...ids])}::text::text[])`;
  return new Set(rows.map((row) => row.id));
}

/** A tombstone that something contradicts is asked about at most once an hour: its rows are locked here. */
async function askAboutTombstones(tx: Tx, rows: readonly StoredUser[]): Promise<Refetch[]> {
  if (rows.length === 0) return [];
  const asked = await tx<{ id: string }[]>`
    update mirror_data.users u set contradicted_at = now_ms
    from (select (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms) as clock
    where u.id = any(${textArray(rows.map((row) => row.id))}::text::text[]) and u.deleted_at is not null
      and (u.contradicted_at is null or u.contradicted_at <= now_ms - 3600000 or u.contradicted_at > now_ms)
    returning u.id`;
  return asked.map(({ id }) => ({ kind: "user", id, reason: CONTRADICTED }));
}

/** The row, and the user in it, parsed when asked for; null: a tombstone. */
interface UserRow extends StoredUser {
  user: (() => ClerkUser) | null;
}

const usersTable: Omit<FoldTable<UserRow>, "existing"> = {
  kind: USER,
  name: "user",
  refetch: "user",
  rowOf(id, state) {
    const { row, user } = userRow(id, state);
    return { ...row, user: user && (() => user) };
  },
  async insert(tx, rows) {
    const inserted = await tx<{ id: string }[]>`
      insert into mirror_data.users (
        id, updated_at, observed_at, source, deleted_at, payload_hash, payload, payload_safe,
        private_metadata, private_order, erased, private_at, scim_order, locked_until, last_active_at, last_sign_in_at)
      select id, updated_at, observed_at, source, deleted_at, payload_hash, payload, payload_safe,
        private_metadata, private_order, erased, private_at, scim_order, locked_until, last_active_at, last_sign_in_at
      from ${userColumns(tx, rows)}
      order by position
      on conflict (id) do nothing
      returning id`;
    return inserted.map((row) => row.id);
  },
  async lock(tx, ids) {
    const rows = await tx<StoredUser[]>`
      select id, updated_at, observed_at, source, ${deletedAt(tx)}, payload_hash, payload, payload_safe,
        private_metadata, private_order, erased, contradicted_at, private_at, scim_order, locked_until,
        last_active_at, last_sign_in_at
      from mirror_data.users where id = any(${textArray(ids)}::text::text[])
      order by id for update`;
    return rows.map((row) => {
      const state = stateOf(row);
      const user = state.content && (state.content.object as () => ClerkUser);
      return { row: { ...row, user }, state };
    });
  },
  async write(tx, known, outcomes) {
    const changes = await changesOf(outcomes);
    return {
      written: Promise.all([known.length > 0 && updateUsers(tx, known), writeDerived(tx, outcomes, changes)]),
    };
  },
};

function updateUsers(tx: Tx, rows: readonly StoredUser[]) {
  return tx`
    update mirror_data.users u set
      updated_at = r.updated_at, observed_at = r.observed_at, source = r.source, deleted_at = r.deleted_at,
      payload_hash = r.payload_hash, payload = r.payload, payload_safe = r.payload_safe,
      private_metadata = r.private_metadata, private_order = r.private_order, erased = r.erased,
      private_at = r.private_at, scim_order = r.scim_order, locked_until = r.locked_until,
      last_active_at = r.last_active_at, last_sign_in_at = r.last_sign_in_at, contradicted_at = null
    from ${userColumns(tx, rows)}
    where u.id = r.id`;
}

/** What follows from the users whose content changed, as it is sent. */
interface DerivedChanges {
  changes: DerivedChange[];
  /** Null: no identifier differs. */
  identifiers: { columns: IdentifierColumns; known: string[] } | null;
}

/** What is derived from one user, before (null: nothing was) and after. */
interface DerivedChange {
  before: Derived | null;
  after: Derived;
  differs: ReadonlySet<keyof Derived>;
  /** The pieces of the searched text, where that differs. */
  grams: string;
}

/**
 * What follows from the users whose content changed. What the tables hold is worked out from the stored user: asking them
 * costs Postgres more than that costs here.
 */
async function changesOf(outcomes: readonly Outcome<UserRow>[]): Promise<DerivedChanges> {
  const pause = createPause();
  const changes: DerivedChange[] = [];
  for (const { before, after } of outcomes) {
    if (!after.user || !saysOther(before, after)) continue;
    const stored = before?.user?.() ?? null;
    await pause();
    const storedRows = stored && derivedRows(stored);
    await pause();
    const derived = { before: storedRows, after: derivedRows(after.user()) };
    await pause();
    const differs = differing(derived);
    await pause();
    const grams = differs.has("search") ? await rareGramsInParts(derived.after.search.search, pause) : [];
    changes.push({ ...derived, differs, grams: grams.join("\n") });
  }
  const differingHere = changes.filter(({ differs }) => differs.has("identifiers"));
  if (differingHere.length === 0) return { changes, identifiers: null };
  const rows = differingHere.flatMap(({ after }) => after.identifiers);
  const known = differingHere.flatMap(({ before }) => (before ? [before.search.id] : []));
  return { changes, identifiers: { columns: await identifierColumns(rows, pause), known } };
}

const PARTS = ["search", "metadata", "identifiers"] as const satisfies (keyof Derived)[];

const differing = ({ before, after }: Pick<DerivedChange, "before" | "after">) =>
  new Set(PARTS.filter((part) => !before || !isDeepStrictEqual(before[part], after[part])));

/** Each table only where it differs, since an update under the trigram index costs 14 times one without. */
function writeDerived(
  tx: Tx,
  outcomes: readonly Outcome<UserRow>[],
  { changes, identifiers }: DerivedChanges,
): Promise<unknown> {
  const live = outcomes.flatMap(({ after }) => (after.user ? [after] : []));
  const gone = outcomes.flatMap(({ id, after }) => (after.user ? [] : [id]));
  const differingIn = (part: keyof Derived) => changes.filter(({ differs }) => differs.has(part));
  return Promise.all([
    deleteDerived(tx, gone),
    writeSearch(
      tx,
      differingIn("search").map(({ after, grams }) => ({ ...after.search, grams })),
    ),
    writeActivity(tx, live),
    writeMetadata(
      tx,
      differingIn("metadata").map(({ after }) => after.metadata),
    ),
    identifiers && writeIdentifiers(tx, identifiers.columns, identifiers.known),
  ]);
}

/** Whether more than times differ. */
const saysOther = (before: StoredUser | null, after: StoredUser) =>
  before?.payload_hash !== after.payload_hash || before.private_metadata !== after.private_metadata;

function userColumns(tx: Tx, rows: readonly StoredUser[]) {
  return tx`unnest(
    ${textArray(rows.map((r) => r.id))}::text::text[], ${orderColumns(tx, rows)},
    ${plainArray(rows.map((r) => r.erased))}::text::boolean[],
    ${plainArray(rows.map((r) => r.private_at))}::text::integer[],
    ${textArray(rows.map((r) => r.scim_order))}::text::text[],
    ${plainArray(rows.map((r) => r.locked_until))}::text::bigint[],
    ${plainArray(rows.map((r) => r.last_active_at))}::text::bigint[],
    ${plainArray(rows.map((r) => r.last_sign_in_at))}::text::bigint[]
  ) with ordinality as r(
    id, updated_at, observed_at, source, deleted_at, payload_hash, payload, payload_safe,
    private_metadata, private_order, erased, private_at, scim_order, locked_until, last_active_at, last_sign_in_at,
    position)`;
}
