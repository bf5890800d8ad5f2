import postgres from "postgres";
import type { ClerkUser } from "../../src/clerk.js";
import { textArray } from "../../src/db/connection/bulk.js";
import type { Sql, Tx } from "../../src/db/connection/sql.js";
import { rareGrams } from "../../src/lib/grams.js";
import type { Columns } from "../../src/sync/apply/columns.js";
import { nullable, text } from "../../src/sync/apply/columns.js";
import { createCopiedRows } from "../../src/sync/apply/copied-rows.js";
import { derivedRows, spelledNames } from "../../src/sync/apply/derive.js";
import { createDerivedTable } from "../../src/sync/apply/derived-table.js";
import { createFoldedTable } from "../../src/sync/apply/folded-table.js";
import { userRow } from "../../src/sync/apply/rows.js";
import * as now from "../../src/sync/apply/tables.js";
import { fold, type State, UNKNOWN, USER } from "../../src/sync/fold/fold.js";
import { gone, userSnapshot } from "../../src/sync/fold/snapshot.js";

const NAMES = [
  "username",
  "first_name",
  "last_name",
  "email_address",
  "phone_number",
  "web3_wallet",
  "image_url",
] as const;

/** Those of migration 0019. */
const HISTORY = ["number", "created_day", "deleted_day"] as const;

const without = (columns: Columns, ...names: string[]): Columns =>
  Object.fromEntries(Object.entries(columns).filter(([name]) => !names.includes(name)));

/** The columns that the version before migration 0016 knew. */
const COLUMNS = {
  users: without(now.users.columns, ...NAMES, ...HISTORY),
  search: without(now.search.columns, "email_domains", "providers", "identifier_search"),
  grams: now.grams.columns as Columns,
  activity: without(
    now.activity.columns,
    ...["created_at", "banned", "has_image", "password_enabled", "two_factor_enabled", ...HISTORY],
  ),
  metadata: {
    ...without(now.metadata.columns, "created_at"),
    ...Object.fromEntries(NAMES.map((name) => [name, nullable(text)])),
  } as Columns,
  identifiers: without(now.identifiers.columns, "domain", "account_email"),
};

const users = createFoldedTable("users", "u", COLUMNS.users);
const key = { key: ["id"] };
const search = createDerivedTable("user_search", "s", COLUMNS.search, {
  ...key,
  notCompared: ["name_search"],
});
const grams = createDerivedTable("user_grams", "g", COLUMNS.grams, key);
const activity = createDerivedTable("user_activity", "a", COLUMNS.activity, key);
const metadata = createDerivedTable("user_metadata", "m", COLUMNS.metadata, key);
const identifiers = createDerivedTable("user_identifiers", "i", COLUMNS.identifiers, {
  key: ["user_id", "kind", "value"],
});

type User = Record<string, unknown> & { id: string };

/** Writes users with the statements of the version before migration 0016, over connections that announce no schema. */
export interface ProcessBefore0016 {
  /** Those of whom there is no row. */
  load(users: readonly User[]): Promise<void>;
  /** What a webhook or page writes of a user whose content changed; `null`: deleted. */
  write(id: string, user: User | null): Promise<void>;
  end(): Promise<void>;
}

export function startProcessBefore0016(url: string): ProcessBefore0016 {
  const sql = postgres(url, { max: 4, onnotice: () => {} }) as unknown as Sql;
  const rowsOf = (state: State, id: string) => {
    const { row, user } = userRow(id, state, { number: null, created_day: null });
    return { row, ...(user && allRows(user, row)) };
  };

  return {
    async load(loaded) {
      await sql.begin(async (tx) => {
        const rows = loaded.map((user) => rowsOf(stateOf(user), user.id));
        const tables = {
          users: createCopiedRows({ name: "users", columns: COLUMNS.users }),
          search: createCopiedRows({ name: "user_search", columns: COLUMNS.search }),
          grams: createCopiedRows({ name: "user_grams", columns: COLUMNS.grams }),
          activity: createCopiedRows({ name: "user_activity", columns: COLUMNS.activity }),
          metadata: createCopiedRows({ name: "user_metadata", columns: COLUMNS.metadata }),
          identifiers: createCopiedRows({ name: "user_identifiers", columns: COLUMNS.identifiers }),
        };
        for (const { row, derived, spelled, pieces } of rows) {
          tables.users.add(row);
          if (!derived) continue;
          tables.search.add(derived.search);
          tables.grams.add({ id: row.id, rare_grams: pieces });
          tables.activity.add(row);
          tables.metadata.add({ ...derived.metadata, ...spelled });
          for (const one of derived.identifiers) tables.identifiers.add(one);
        }
        for (const table of Object.values(tables)) await table.send(tx);
      });
    },

    async write(id, user) {
      await sql.begin(async (tx) => {
        const state = user ? stateOf(user) : fold(USER, UNKNOWN, gone(id, "webhook", 9000), 0).state;
        const { row, derived, spelled, pieces } = rowsOf(state, id);
        const isNew = (await users.insert(tx, [row])).length > 0;
        if (!isNew) {
          await users.lock(tx, [id]);
          await users.update(tx, [row]);
        }
        if (!derived) return void (await forget(tx, id));
        await search.write(tx, [derived.search]);
        await grams.write(tx, [{ id, rare_grams: pieces }]);
        await activity.write(tx, [row]);
        await metadata.write(tx, [{ ...derived.metadata, ...spelled }]);
        await replaceIdentifiers(tx, id, derived.identifiers);
      });
    },

    end: () => sql.end(),
  };
}

const stateOf = (user: User) => fold(USER, UNKNOWN, userSnapshot(user, "webhook", 5000), 0).state;

function allRows(user: ClerkUser, row: { id: string }) {
  const derived = derivedRows(user);
  return {
    derived,
    spelled: { id: row.id, ...spelledNames(user) },
    pieces: rareGrams(derived.search.search).join("\n"),
  };
}

/** From the tables that it knew. */
async function forget(tx: Tx, id: string): Promise<void> {
  for (const table of ["user_search", "user_grams", "user_activity", "user_metadata"]) {
    await tx`delete from mirror_data.${tx(table)} where id = ${id}`;
  }
  await replaceIdentifiers(tx, id, []);
}

async function replaceIdentifiers(tx: Tx, id: string, rows: readonly now.IdentifierRow[]): Promise<void> {
  const keys = rows.map(({ kind, value }) => `${kind}\n${value}`);
  await tx`
    delete from mirror_data.user_identifiers
    where user_id = ${id} and kind || E'\n' || value <> all(${textArray(keys)}::text::text[])`;
  await identifiers.write(tx, rows);
}
