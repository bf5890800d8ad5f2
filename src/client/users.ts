import { MirrorError } from "./errors.js";
import { linesOf } from "./lines.js";
import type { TextStream, Transport } from "./transport.js";
import type {
  Aggregate,
  AggregateOptions,
  Grouping,
  IterateOptions,
  LookupOptions,
  QueryOptions,
  QueryPage,
  Retention,
  RetentionOptions,
  Selection,
  User,
} from "./types.js";

/** A user of whom only `fields` were asked for has these, under their names. */
export type Shown = Record<string, unknown>;

export interface Users {
  query(options?: QueryOptions & { fields?: never }): Promise<QueryPage<User>>;
  query(options: QueryOptions): Promise<QueryPage<Shown>>;
  /** Everybody, page by page, in this order; one page is held in memory. */
  iterate(options?: IterateOptions & { fields?: never }): AsyncGenerator<User, void, undefined>;
  iterate(options: IterateOptions): AsyncGenerator<Shown, void, undefined>;
  /** Everybody in one stream, ordered by id: the fastest way. Rejects if the stream is cut: one that ends is complete. */
  export(options?: Selection & { fields?: never }): AsyncGenerator<User, void, undefined>;
  export(options: Selection): AsyncGenerator<Shown, void, undefined>;
  /** One for each key, in the keys' order; null where there is nobody. */
  lookup(options: LookupOptions & { fields?: never }): Promise<(User | null)[]>;
  lookup(options: LookupOptions): Promise<(Shown | null)[]>;
  aggregate(options?: AggregateOptions): Promise<Aggregate>;
  /** Of those created in each week or month, how many were active then and later. */
  retention(options?: RetentionOptions): Promise<Retention>;
}

export function createUsers(transport: Transport): Users {
  async function query({ signal, ...options }: QueryOptions = {}): Promise<QueryPage<User>> {
    const { filter, orderBy, limit, cursor, fields, count } = options;
    const body = { filter, order_by: orderBy, limit, cursor, fields, count };
    const answer = await transport.json({ method: "POST", path: "/mirror/users/query", body, signal });
    return {
      data: answer.data as User[],
      nextCursor: answer.next_cursor as string | null,
      changesCursor: answer.changes_cursor as string,
      ...(answer.total_count !== undefined && { totalCount: answer.total_count as number }),
      ...(answer.total_count_estimated === true && { totalCountEstimated: true as const }),
    };
  }

  async function* iterate({ pageSize = 500, ...options }: IterateOptions = {}): AsyncGenerator<User> {
    const fixed = options as QueryOptions & { fields?: never };
    for (let cursor: string | null = null; ; ) {
      const page: QueryPage<User> = await query({ ...fixed, limit: pageSize, cursor });
      yield* page.data;
      if (page.nextCursor === null) return;
      cursor = page.nextCursor;
    }
  }

  async function* exported(options: Selection = {}): AsyncGenerator<User> {
    yield* usersIn(await openExport(transport, options));
  }

  async function lookup({ by, keys, fields, signal }: LookupOptions): Promise<(User | null)[]> {
    const body = { by, keys, fields };
    const answer = await transport.json({ method: "POST", path: "/mirror/users/lookup", body, signal });
    return answer.data as (User | null)[];
  }

  async function aggregate({ signal, ...options }: AggregateOptions = {}): Promise<Aggregate> {
    const { filter, groupBy, orderBy, limit, cumulative } = options;
    const body = { filter, group_by: groupBy?.map(groupingOf), order_by: orderBy, limit, cumulative };
    const answer = await transport.json({ method: "POST", path: "/mirror/users/aggregate", body, signal });
    return answer as unknown as Aggregate;
  }

  async function retention({ signal, ...options }: RetentionOptions = {}): Promise<Retention> {
    const { filter, cohort, periods, timeZone } = options;
    const body = { filter, cohort, periods, time_zone: timeZone };
    const answer = await transport.json({ method: "POST", path: "/mirror/users/retention", body, signal });
    return answer as unknown as Retention;
  }

  return { query, iterate, export: exported, lookup, aggregate, retention };
}

/** What isn't known here goes along: the mirror says what is wrong with it. */
function groupingOf(grouping: Grouping) {
  if (typeof grouping === "string") return grouping;
  const { timeZone, ...others } = grouping;
  return { time_zone: timeZone, ...others };
}

export function openExport(transport: Transport, options: Selection): Promise<TextStream> {
  const { filter, fields, signal } = options;
  const headers = { accept: "application/x-ndjson" };
  return transport.stream({
    ...{ method: "POST", path: "/mirror/users/query", headers, signal },
    body: { filter, fields },
  });
}

export async function* usersIn({ text }: TextStream): AsyncGenerator<User, void, undefined> {
  for await (const line of linesOf(text)) if (line !== "") yield parsed(line);
}

function parsed(line: string): User {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new MirrorError("The stream was cut before its end.", { status: 0, code: "stream_cut", cause });
  }
}
