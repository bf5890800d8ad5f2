import type { Readers } from "../db/connection/client.js";
import { sleep } from "../lib/async.js";
import { AppError } from "../lib/errors.js";
import { createPlaces } from "../lib/places.js";
import { type Asker, createShares, gone } from "../lib/shares.js";
import { createPause, othersFirst } from "../lib/turns.js";
import { compileFilter } from "./compile.js";
import { type Condition, keepsEverybody } from "./condition.js";
import { CSV_FIELDS, createCsv } from "./csv.js";
import type { QueryEngine } from "./engine.js";
import type { Projected } from "./field.js";
import { Parameters } from "./parameters.js";
import type { RawRow, View } from "./present.js";
import { shownColumns, showUser } from "./project.js";
import { MOST_BY_PIECES } from "./strategy.js";
import { fromOf, type Search, whereClause } from "./where.js";

export type ExportFormat = "ndjson" | "csv";

export interface ExportRequest {
  filter: Condition;
  /** Null: users as they are, or the usual columns. */
  fields: readonly Projected[] | null;
  format: ExportFormat;
  /** What `now` means in the filter. */
  nowMs: number;
}

/**
 * All users whom the filter keeps, ordered by id, a chunk at a time. Who exists and is kept throughout appears exactly once;
 * who is shown was kept at that moment. Throws `overloaded` where too many exports are under way.
 */
export type ExportUsers = (request: ExportRequest, view: View, asker: Asker) => AsyncGenerator<Uint8Array>;

/**
 * Two hundred users take 5 ms to read and to write, so a read by id waits behind that at most. With a thousand it waits 50 ms,
 * and with the next chunk asked ahead the export itself is slower.
 */
const USERS_A_CHUNK = 200;

/** Ids found at a time. Finding them can mean looking at everybody, so they are many; twenty thousand ids take 2 MB. */
const IDS_AT_A_TIME = 20_000;

/** An export holds some 3 MB, for as long as its client likes to read. */
const PLACES = { most: 16, mostOfOneKey: 8, what: "exports", retryAfterSeconds: 10 };

/** Between chunks an export has its turn behind all others, each of which takes 5 ms; it has been promised to be whole. */
const LONGEST_WAIT_MS = 30_000;

/** Where others keep the process busy all the time, an export still has four thousand users a second. */
const LONGEST_BEHIND_OTHERS_MS = 50;

/** What searches are too busy for in the middle of an export is asked again: they refuse after ten seconds of waiting. */
const ATTEMPTS_TO_FIND = 6;
const PAUSE_MS = 1000;

export interface ExportDeps {
  pool: Readers["exports"];
  engine: Pick<QueryEngine, "searches" | "termStatistics">;
  nowMs: () => number;
}

export function createExport({ pool, engine, nowMs }: ExportDeps): ExportUsers {
  const { searches, termStatistics } = engine;
  const places = createPlaces(PLACES);
  const turns = createShares({
    ...{ width: pool.options.max, mostWaiting: PLACES.most, longestWaitMs: LONGEST_WAIT_MS },
  });

  async function* exportUsers(request: ExportRequest, view: View, asker: Asker): AsyncGenerator<Uint8Array> {
    const { filter, format } = request;
    const fields = request.fields ?? (format === "csv" ? CSV_FIELDS : null);
    const leave = places.enter(asker.key);
    try {
      const chunks = keepsEverybody(filter) ? everybody(fields, asker) : kept(request, fields, asker);
      // What fails before the first rows is still answered with an error.
      let header = format === "csv" ? createCsv(fields ?? [], view, 0).header : "";
      for await (const rows of chunks) {
        const print = printer(fields, format, view);
        const pieces: Buffer[] = [Buffer.from(header)];
        header = "";
        const pause = createPause();
        for (const row of rows) {
          pieces.push(...print(row));
          // Awaiting nothing takes a turn as well, for each of millions of users.
          const turn = pause();
          if (turn) await turn;
        }
        yield Buffer.concat(pieces);
      }
      if (header !== "") yield Buffer.from(header);
    } finally {
      leave();
    }
  }

  function printer(
    fields: readonly Projected[] | null,
    format: ExportFormat,
    view: View,
  ): (row: RawRow) => Buffer[] {
    if (format === "csv" && fields) {
      const csv = createCsv(fields, view, nowMs());
      return (row) => [Buffer.from(csv.record(row, 1))];
    }
    const show = showUser(fields, view, nowMs());
    return (row) => [...show(row, 1), NEWLINE];
  }

  async function* everybody(
    fields: readonly Projected[] | null,
    asker: Asker,
  ): AsyncGenerator<readonly RawRow[]> {
    const text = `select u.id, ${shownColumns(fields)} from mirror_data.users u
      where u.payload is not null and u.id > $1 order by u.id limit ${USERS_A_CHUNK}`;
    for (let last = ""; ; ) {
      const rows = await read(text, [last], asker, true);
      if (rows.length > 0) yield rows;
      if (rows.length < USERS_A_CHUNK) return;
      last = String(rows.at(-1)?.[0]);
    }
  }

  async function* kept(
    { filter, nowMs: askedAtMs }: ExportRequest,
    fields: readonly Projected[] | null,
    asker: Asker,
  ): AsyncGenerator<readonly RawRow[]> {
    const statistics = await termStatistics();
    for (let last = ""; ; ) {
      const search = { statistics, nowMs: askedAtMs, mostByPieces: MOST_BY_PIECES };
      const ids = await find(filter, last, search, asker);
      for (let n = 0; n < ids.length; n += USERS_A_CHUNK) {
        const params = new Parameters();
        const part = ids.slice(n, n + USERS_A_CHUNK);
        const text = keptStatement(filter, part, fields, search, params);
        const rows = await read(text, params.values, asker, false);
        if (rows.length > 0) yield rows;
      }
      if (ids.length < IDS_AT_A_TIME) return;
      last = ids.at(-1) ?? "";
    }
  }

  /** A chunk takes a few milliseconds, so its statement isn't cancelled when the client goes away. */
  async function read(
    text: string,
    values: readonly (string | number | boolean)[],
    asker: Asker,
    prepare: boolean,
  ): Promise<RawRow[]> {
    return turns.run(asker, async () => {
      await othersFirst(LONGEST_BEHIND_OTHERS_MS);
      return pool.unsafe(text, [...values], { prepare }).raw();
    });
  }

  async function find(filter: Condition, last: string, search: Search, asker: Asker): Promise<string[]> {
    const params = new Parameters();
    const text = idsStatement(filter, last, search, params);
    for (let attempt = 1; ; attempt++) {
      try {
        const rows = await searches.thoroughly(text, params, "as asked", asker);
        return rows.map(([id]) => String(id));
      } catch (error) {
        const isBusy = error instanceof AppError && error.code === "overloaded";
        if (!isBusy || last === "" || attempt >= ATTEMPTS_TO_FIND) throw error;
        await sleep(PAUSE_MS, asker.signal).catch(() => {
          throw gone();
        });
      }
    }
  }

  return exportUsers;
}

const NEWLINE = Buffer.from("\n");

function idsStatement(filter: Condition, last: string, search: Search, params: Parameters): string {
  const where = compileFilter(filter, params, { ...search, gather: true });
  const { from, id } = fromOf(where, [], []);
  return `select ${id} from ${from}
    ${whereClause([...where.conditions, `${id} > ${params.add(last)}`])} order by ${id} limit ${IDS_AT_A_TIME}`;
}

/**
 * Of these users those whom the filter still keeps, as they are at that very moment: finding them may be minutes ago. Nothing is
 * looked for any more, so no index of a condition is read.
 */
function keptStatement(
  filter: Condition,
  ids: readonly string[],
  fields: readonly Projected[] | null,
  search: Search,
  params: Parameters,
): string {
  const where = compileFilter(filter, params, { ...search, mostByPieces: 0 });
  const { from, id } = fromOf(where, [], []);
  return `with kept as materialized (
      select ${id} as id from ${from} ${whereClause([`${id} = any(${params.texts(ids)})`, ...where.conditions])})
    select u.id, ${shownColumns(fields)} from kept cross join lateral (
      select * from mirror_data.users u where u.id = kept.id and u.payload is not null offset 0) as u
    order by u.id`;
}
