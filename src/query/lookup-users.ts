import type { Asker } from "../lib/shares.js";
import { exactKey, foldedKey } from "../lib/text.js";
import { createPause } from "../lib/turns.js";
import type { Projected } from "./field.js";
import type { LookupRequest } from "./language/lookup-request.js";
import { Parameters } from "./parameters.js";
import { numberOf, type View } from "./present.js";
import { shownColumns, showUser } from "./project.js";
import type { Run } from "./run.js";
import type { Strategy } from "./strategy.js";

/**
 * The JSON text of an array with the user of each key, or null, in the keys' order. Keys match as the filter language's `eq`
 * does. Of several users with one key it is the one that was changed last.
 */
export type LookUpUsers = (request: LookupRequest, view: View, asker: Asker) => Promise<Buffer>;

export function createLookUpUsers({ run, nowMs }: { run: Run; nowMs: () => number }): LookUpUsers {
  return async ({ by, keys, fields }, view, asker) => {
    const { key } = BY[by];
    const numbers = new Map<string, number>();
    for (const given of keys) if (!numbers.has(key(given))) numbers.set(key(given), numbers.size);
    const users: Buffer[][] = Array.from(numbers, () => [NULL]);
    if (users.length > 0) {
      const params = new Parameters();
      const text = statementFor(by, [...numbers.keys()], fields, params);
      const rows = await run({ text, params }, strategyFor(users.length), asker);
      const show = showUser(fields, view, nowMs());
      const pause = createPause();
      for (const row of rows) {
        users[(numberOf(row[0] ?? null) ?? 1) - 1] = show(row, 1);
        await pause();
      }
    }
    const pieces = keys.flatMap((given, n) => [
      n === 0 ? OPEN : COMMA,
      ...(users[numbers.get(key(given)) ?? 0] ?? []),
    ]);
    return Buffer.concat(pieces.length > 0 ? [...pieces, CLOSE] : [OPEN, CLOSE]);
  };
}

const [OPEN, COMMA, CLOSE, NULL] = ["[", ",", "]", "null"].map((text) => Buffer.from(text)) as [
  Buffer,
  Buffer,
  Buffer,
  Buffer,
];

interface By {
  /** A key as it is stored. */
  key: (given: string) => string;
  /** The ids of the users who have the key `k.key`, whose folded form is `k.folded`. */
  owners: string;
}

const identifiers = (kind: string, also = "") =>
  `select i.user_id as id from mirror_data.user_identifiers i where i.kind = '${kind}' and i.folded = k.folded${also}`;

const BY: Record<LookupRequest["by"], By> = {
  id: { key: exactKey, owners: "select k.key as id" },
  email_address: { key: foldedKey, owners: identifiers("email") },
  // Found by the folded value, which is indexed, then compared as it is spelled.
  phone_number: { key: exactKey, owners: identifiers("phone", " and i.value = k.key") },
  username: {
    key: foldedKey,
    owners: "select s.id from mirror_data.user_search s where s.username_key = k.key",
  },
  web3_wallet: { key: foldedKey, owners: identifiers("wallet") },
  external_id: {
    key: exactKey,
    owners: "select s.id from mirror_data.user_search s where s.external_id = k.key",
  },
};

/** One row for each key that somebody has: its number from 1 on, and the user. */
function statementFor(
  by: LookupRequest["by"],
  keys: readonly string[],
  fields: readonly Projected[] | null,
  params: Parameters,
): string {
  return `select k.number, ${shownColumns(fields)}
    from unnest(${params.texts(keys)}, ${params.texts(keys.map(foldedKey))}) with ordinality as k(key, folded, number)
    cross join lateral (
      select a.id from (${BY[by].owners}) as owner join mirror_data.user_activity a on a.id = owner.id
      order by a.updated_at desc, a.id desc limit 1) as latest
    cross join lateral (
      select * from mirror_data.users u where u.id = latest.id and u.payload is not null offset 0) as u`;
}

/** A user takes some 20 µs. Many at once must not stand in front of the reads by id. */
const MOST_AS_LOOKUP = 50;

const strategyFor = (keys: number): Strategy =>
  keys <= MOST_AS_LOOKUP
    ? { how: "lookup", isCommon: true }
    : { how: "guess", limit: "long page", prepare: false, otherwise: "patiently" };
