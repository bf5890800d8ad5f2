import type { ClerkUser } from "../../clerk.js";
import { textArray } from "../../db/connection/bulk.js";
import { send, type Tx } from "../../db/connection/sql.js";
import { haveSameGrams, rareGramsInParts } from "../../lib/grams.js";
import { createPause, type Pause } from "../../lib/turns.js";
import { activeDaysOf, createdDayOf } from "../fold/active-days.js";
import { USER } from "../fold/fold.js";
import { RANK, type UserSnapshot } from "../fold/snapshot.js";
import { withdrawAsOf } from "../ledger/proof.js";
import type { ApplyOptions, Effects, Incoming } from "./batch.js";
import { encodeRowsInParts } from "./columns.js";
import { activityRow, type ChangedRows, changedRows } from "./derive.js";
import { dayChangesOf, giveNumbers } from "./history.js";
import { type FoldTable, foldLocked, type Locked, type Outcome } from "./merge-locked.js";
import { contentIn, countedTombstone, isLive, stateOf, touchedUserRow, userRow } from "./rows.js";
import {
  type ActivityRow,
  activity,
  grams,
  type IdentifierRow,
  identifiers,
  type MetadataRow,
  metadata,
  type SearchRow,
  type StoredUser,
  search,
  users,
} from "./tables.js";
import { createTombstoneQuestions } from "./tombstone-questions.js";
import { touchUsers } from "./touch.js";
import { deleteDerived, type Known, writeIdentifiers, writeRows } from "./user-tables.js";

/** Folds what came in into `users` and brings the tables derived from it in line. `known`: those of them who have a row. */
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
  return {
    ...result,
    refetches: [...result.refetches, ...asked],
    days: dayChangesOf(result.outcomes, result.active),
  };
}

/**
 * A webhook may come so late that its user was deleted before the mirror first heard of it. Such an event is accepted even
 * if the mirror was proved complete without that user. The proof is then withdrawn back to the event's time, and the next
 * check decides.
 */
async function withdrawProof(tx: Tx, outcomes: readonly Outcome<UserRow>[], lagMs: number): Promise<void> {
  const times = outcomes.filter(isToldOf).map(({ after }) => after.updated_at);
  if (times.length > 0) await withdrawAsOf(tx, Math.min(...times), lagMs);
}

const isToldOf = ({ before, after }: Outcome<UserRow>) =>
  before === null && isLive(after) && after.source === RANK.webhook;

/** Which of these users have a row, read without a lock. */
export async function existingUsers(tx: Tx, ids: ReadonlySet<string>): Promise<Set<string>> {
  return new Set(ids.size > 0 ? await users.existing(tx, [...ids]) : []);
}

const askAboutTombstones = createTombstoneQuestions("user", "users", "contradicted_at");

/** The row and the user in it, which is parsed when it is needed; its payload must have been read. Null: a tombstone. */
interface UserRow extends StoredUser {
  user: (() => ClerkUser) | null;
}

const usersTable: Omit<FoldTable<UserRow>, "existing"> = {
  kind: USER,
  name: "user",
  refetch: "user",
  rowOf(id, state, before, told) {
    // Who comes back is another one, as far as the history of days goes.
    const number = told.isReborn ? null : (before?.number ?? null);
    const { row, user } = userRow(id, state, { number, created_day: before?.created_day ?? told.created });
    return Object.assign(row, { user: user && (() => user) });
  },
  completed(row, told) {
    const counted = isLive(row) || row.created_day !== null ? null : countedTombstone(row, told.created);
    return counted?.created_day == null ? null : { ...row, ...counted };
  },
  daysIn: (snapshot) => ({
    active: activeDaysOf(snapshot as UserSnapshot),
    created: createdDayOf(snapshot as UserSnapshot),
  }),
  async insert(tx, rows) {
    await giveNumbers(tx, rows);
    return users.insert(tx, rows);
  },
  async lock(tx, ids) {
    return (await users.lock(tx, ids)).map(lockedUser);
  },
  touched: touchedUserRow,
  load: readPayloads,
  async write(tx, outcomes) {
    const [touched, known]: [UserRow[], UserRow[]] = [[], []];
    const whole: Outcome<UserRow>[] = [];
    for (const outcome of outcomes) {
      if (outcome.isTouched) touched.push(outcome.after);
      else whole.push(outcome);
      if (outcome.before && !outcome.isTouched) known.push(outcome.after);
    }
    const changes = await changesOf(whole);
    await giveNumbers(tx, known);
    return {
      written: Promise.all([
        touched.length > 0 && touchUsers(tx, touched),
        known.length > 0 && users.update(tx, known),
        whole.length > 0 && writeDerived(tx, whole, changes),
      ]),
    };
  },
};

function lockedUser(stored: StoredUser): Locked<UserRow> {
  const state = stateOf(stored);
  const row = stored as UserRow;
  // The state reads its object from the row itself, whose payload may be read later.
  row.user = state.content && (state.content.object as () => ClerkUser);
  return { row, state };
}

/** Reads the payloads of locked rows into them. */
async function readPayloads(tx: Tx, rows: readonly UserRow[]): Promise<void> {
  const byId = new Map<string, UserRow>();
  for (const row of rows) byId.set(row.id, row);
  const found = await send<{ id: string; payload: string | null }>(tx, PAYLOADS, [
    textArray([...byId.keys()]),
  ]);
  for (const { id, payload } of found) {
    const row = byId.get(id);
    if (row) row.payload = payload;
  }
}

const PAYLOADS = "select id, payload from mirror_data.users where id = any($1::text::text[])";

/** What follows from the users whose content changed, ready to be sent. */
interface DerivedChanges {
  changes: DerivedChange[];
  /** Null: no identifier differs. */
  identifiers: { parameters: string[]; known: string[] } | null;
}

/** What follows from one user; `isKnown`: there was something before. */
interface DerivedChange extends Omit<ChangedRows, "searchBefore"> {
  id: string;
  isKnown: boolean;
  /** The pieces of the text that is searched; see `user_grams`. Null: they are as they were. */
  grams: string | null;
}

/**
 * What follows from the users whose content changed. What the tables hold now is derived from the stored user again, which
 * costs less here than reading the tables costs Postgres.
 */
async function changesOf(outcomes: readonly Outcome<UserRow>[]): Promise<DerivedChanges> {
  const pause = createPause();
  const changes: DerivedChange[] = [];
  for (const { before, after } of outcomes) {
    if (!after.user || !saysOther(before, after)) continue;
    const isKnown = isLive(before);
    const stored = isKnown && before ? contentIn(before) : null;
    await pause();
    const hasSamePrivate = before?.private_metadata === after.private_metadata;
    const rows = await changedRows(after.user(), stored && { user: stored, hasSamePrivate }, pause);
    const { search, metadata, identifiers } = rows;
    changes.push({
      id: after.id,
      isKnown,
      search,
      metadata,
      identifiers,
      grams: await changedGrams(rows, pause),
    });
  }
  const rows: IdentifierRow[] = [];
  const known: string[] = [];
  for (const { id, isKnown, identifiers: own } of changes) {
    if (!own) continue;
    for (const row of own) rows.push(row);
    if (isKnown) known.push(id);
  }
  if (rows.length === 0 && known.length === 0) return { changes, identifiers: null };
  const parameters = await encodeRowsInParts(identifiers.columns, rows, pause);
  return { changes, identifiers: { parameters, known } };
}

/** The pieces of the text that is searched, a piece a line. Null: they are those of the text before. */
async function changedGrams(
  { search, searchBefore }: Pick<ChangedRows, "search" | "searchBefore">,
  pause: Pause,
): Promise<string | null> {
  if (!search || (searchBefore !== null && haveSameGrams(searchBefore, search.search))) return null;
  return (await rareGramsInParts(search.search, pause)).join("\n");
}

/** Writes each table only for users who differ in it: an update under the trigram index costs 14 times as much as one without. */
function writeDerived(
  tx: Tx,
  outcomes: readonly Outcome<UserRow>[],
  { changes, identifiers: changed }: DerivedChanges,
): Promise<unknown> {
  const gone: string[] = [];
  const active: Known<ActivityRow>[] = [];
  for (const { id, before, after } of outcomes) {
    if (after.user) active.push({ isKnown: isLive(before), row: activityRow(after, after.user()) });
    else gone.push(id);
  }
  const searched: Known<SearchRow>[] = [];
  const pieces: Known<{ id: string; rare_grams: string }>[] = [];
  const described: Known<MetadataRow>[] = [];
  for (const change of changes) {
    const { id, isKnown } = change;
    if (change.search) searched.push({ isKnown, row: change.search });
    if (change.grams !== null) pieces.push({ isKnown, row: { id, rare_grams: change.grams } });
    if (change.metadata) described.push({ isKnown, row: change.metadata });
  }
  return Promise.all([
    deleteDerived(tx, gone),
    writeRows(tx, search, searched),
    writeRows(tx, grams, pieces),
    writeRows(tx, activity, active),
    writeRows(tx, metadata, described),
    changed && writeIdentifiers(tx, changed.parameters, changed.known),
  ]);
}

/** Whether anything but times differs. */
const saysOther = (before: StoredUser | null, after: StoredUser) =>
  before?.payload_hash !== after.payload_hash || before.private_metadata !== after.private_metadata;
