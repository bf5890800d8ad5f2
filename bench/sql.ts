import { noCache } from "../src/cache/user-cache.js";
import { unwatched } from "../src/db/availability.js";
import type { Database } from "../src/db/client.js";
import { ORDER_FIELDS, parseListParams, parseUserFilter, type RawParams } from "../src/query/filter.js";
import { createUserQueries } from "../src/query/users.js";
import { timed } from "./http.js";
import { type Line, milliseconds, type Section } from "./table.js";

/** One figure of SQL, for the report in JSON. */
export interface SqlFigure {
  what: string;
  medianMs: number;
  p99Ms: number;
}

export interface SqlReport {
  sections: Section[];
  figures: SqlFigure[];
}

const VIEW = { privateMetadata: true };
const ORDERS = ORDER_FIELDS.flatMap((field) => [`+${field}`, `-${field}`]);
const isVolatile = (order: string) => /updated_at|last_active_at|last_sign_in_at/.test(order);

/** Of every kind that PERFORMANCE knows: common, seldom and absent; with trigrams, and too short for one. */
const LONG_TERMS = [
  "gmail",
  "ann",
  "john",
  "smith",
  "+155512345",
  "qx7",
  "john.smith9",
  "annabel quigley",
  "nosuchterm99",
];
const SHORT_TERMS = ["a", "an", "zx", "w7", "@g", "é", "øb", "+4", "|", "✓"];

/**
 * Every list and count as the server asks for it, one after another on one connection: the statement, its planning, and
 * what Node does to make the answer of it.
 */
export async function measureSql(
  database: Database,
  users: number,
  runs: number,
  say: (text: string) => void,
): Promise<SqlReport> {
  const queries = () =>
    createUserQueries(database, { nowMs: Date.now, availability: unwatched, cache: noCache });
  const { list, count } = queries();
  const figures: SqlFigure[] = [];
  const measured = async (what: string, work: (run: number) => Promise<unknown>) => {
    const { median, p99 } = await timed(runs, work);
    figures.push({ what, medianMs: median, p99Ms: p99 });
    return median;
  };
  const listing = (params: RawParams) => () => list(parseListParams(params), VIEW);

  const offsets = [1000, 100_000, 900_000].map((offset) => Math.min(offset, Math.floor(users * 0.9)));
  const pages = [
    { name: "limit 10", goalMs: 2, params: { limit: ["10"] } },
    { name: "limit 100", goalMs: null, params: { limit: ["100"] } },
    { name: "limit 500", goalMs: 25, params: { limit: ["500"] } },
    ...[...new Set(offsets)].map((offset) => ({
      name: `offset ${offset.toLocaleString("en")}`,
      goalMs: offset > 100_000 ? 50 : 15,
      params: { limit: ["10"], offset: [String(offset)] },
    })),
  ];
  const orders: { order: string; times: number[] }[] = [];
  for (const order of ORDERS) {
    say(`lists by ${order}`);
    const times: number[] = [];
    for (const { name, params } of pages) {
      times.push(await measured(`${order}, ${name}`, listing({ ...params, order_by: [order] })));
    }
    orders.push({ order, times });
  }

  say("keyset");
  const keyset: number[] = [];
  for (const share of [0, 0.1, 0.5, 0.9]) {
    const [row] = await database.sql<{ id: string }[]>`
      select id from mirror_data.user_search order by created_at desc, id desc
      limit 1 offset ${Math.floor(users * share)}`;
    const params = { limit: ["10"], starting_after: [row?.id ?? ""] };
    keyset.push(await measured(`keyset at ${share * 100} %`, listing(params)));
  }

  const searches: { term: string; rows: number; times: number[] }[] = [];
  for (const term of [...LONG_TERMS, ...SHORT_TERMS]) {
    say(`searching ${term}`);
    const worst = async (limit: number, wanted: (order: string) => boolean) => {
      const times: number[] = [];
      for (const order of ORDERS.filter(wanted)) {
        const params = { query: [term], limit: [String(limit)], order_by: [order] };
        times.push(await measured(`query ${term}, ${order}, limit ${limit}`, listing(params)));
      }
      return Math.max(...times);
    };
    const stable = (order: string) => !isVolatile(order);
    const times = [
      await worst(10, stable),
      await worst(500, stable),
      await worst(10, isVolatile),
      await worst(500, isVolatile),
    ];
    const filter = parseUserFilter({ query: [term] });
    // Each time by parts that have counted nothing yet: what was counted is kept.
    times.push(await measured(`count ${term}`, () => queries().count(filter)));
    searches.push({ term, rows: await count(filter), times });
  }

  say("counts");
  const counts: Line[] = [];
  const counting = async (what: string, params: RawParams, goalMs: number | null) => {
    const ms = await measured(`count, ${what}`, () => queries().count(parseUserFilter(params)));
    counts.push({
      ...{ what, unit: "ms" as const, median: ms, p99Ms: figures.at(-1)?.p99Ms ?? null },
      ...{ reference: null, ratio: null },
      goals: goalMs === null ? [] : [{ text: `≤ ${goalMs} ms`, met: ms <= goalMs }],
    });
  };
  await counting("no filter", {}, 2);
  await counting("banned", { banned: ["true"] }, null);
  await counting(
    "created in the last 30 days",
    { created_at_after: [String(Date.now() - 30 * 86_400_000)] },
    null,
  );
  await counting(
    "active in the last 30 days",
    { last_active_at_since: [String(Date.now() - 30 * 86_400_000)] },
    null,
  );
  await counting("a rare term (qx7)", { query: ["qx7"] }, 5);
  await counting("a common term (gmail)", { query: ["gmail"] }, 120);

  say("one user");
  const [someone] = await database.sql<{ id: string }[]>`select id from mirror_data.users limit 1`;
  await measured("one prepared SELECT by id", () =>
    database.sql.unsafe("select payload from mirror_data.users where id = $1", [someone?.id ?? ""], {
      prepare: true,
    }),
  );
  const reference = figures.at(-1)?.medianMs ?? Number.NaN;

  const met = (goals: (number | null)[], rows: number[][]) => [
    ["worst", ...goals.map((_, column) => milliseconds(Math.max(...rows.map((row) => row[column] ?? 0))))],
    ["goal", ...goals.map((goal) => (goal === null ? "" : `≤ ${goal}`))],
    [
      "met",
      ...goals.map((goal, column) =>
        goal === null ? "" : rows.every((row) => (row[column] ?? 0) <= goal) ? "yes" : "no",
      ),
    ],
  ];
  const searchSection = (title: string, terms: readonly string[], goals: (number | null)[]): Section => {
    const rows = searches.filter(({ term }) => terms.includes(term));
    return {
      title,
      notes: ["Milliseconds; of the lists, the slowest of their orders."],
      head: ["term", "users", "limit 10", "limit 500", "limit 10, activity", "limit 500, activity", "count"],
      rows: [
        ...rows.map(({ term, rows, times }) => [
          `\`${term}\``,
          rows.toLocaleString("en"),
          ...times.map(milliseconds),
        ]),
        ...met(
          goals,
          rows.map(({ times }) => times),
        ).map(([name = "", ...rest]) => [name, "", ...rest]),
      ],
    };
  };
  return {
    figures,
    sections: [
      {
        title: "Lists",
        notes: [
          `Milliseconds on one connection, medians of ${runs}. One prepared SELECT by id takes ${milliseconds(reference)}.`,
        ],
        head: ["order", ...pages.map(({ name }) => name)],
        rows: [
          ...orders.map(({ order, times }) => [`\`${order}\``, ...times.map(milliseconds)]),
          ...met(
            pages.map(({ goalMs }) => goalMs),
            orders.map(({ times }) => times),
          ),
        ],
      },
      {
        title: "Keyset: ten users behind one at",
        notes: [],
        head: ["", "the start", "10 %", "50 %", "90 %", "goal", "met"],
        rows: [
          [
            "`starting_after`, ms",
            ...keyset.map(milliseconds),
            "≤ 2 × the first",
            keyset.every((ms) => ms <= 2 * (keyset[0] ?? 0)) ? "yes" : "no",
          ],
        ],
      },
      searchSection("Queries of three characters and more", LONG_TERMS, [8, 80, 15, 130, 120]),
      searchSection("Queries without a trigram", SHORT_TERMS, [10, 120, 10, 120, null]),
      {
        title: "Counts, each for the first time",
        notes: [],
        head: ["", "ms", "goal", "met"],
        rows: counts.map(({ what, median: ms, goals: [goal] }) => [
          what,
          milliseconds(ms),
          goal?.text ?? "",
          goal ? (goal.met ? "yes" : "no") : "",
        ]),
      },
    ],
  };
}
