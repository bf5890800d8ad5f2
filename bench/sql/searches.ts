import { parseUserFilter } from "../../src/query/clerk-params.js";
import type { Line, Section } from "../report/table.js";
import { ORDERS } from "./lists.js";
import { atMost, pair, type SqlBench, slowest, verdict } from "./sql-bench.js";

/** Terms of every kind: common, rare and absent, with trigrams and too short for one. */
export const LONG_TERMS = [
  ...["gmail", "ann", "john", "smith", "+155512", "qx7", "john.smith9"],
  ...["annabel quigley", "nosuchterm99"],
];
export const SHORT_TERMS = ["a", "an", "zx", "w7", "@g", "é", "øb", "+4", "_", "|", "✓"];

const isVolatile = (order: string) => /updated_at|last_active_at|last_sign_in_at/.test(order);

/** The columns of a table of searches: each shows the slowest of some orders. */
interface Column {
  name: string;
  limit: number;
  holds: (order: string) => boolean;
  goalMs: number;
}

const columnsOf = (goals: { stable: [number, number]; volatile: [number, number] }): Column[] =>
  [10, 500].flatMap((limit, index) => [
    {
      ...{ name: `limit ${limit}`, limit, goalMs: goals.stable[index] ?? 0 },
      holds: (order: string) => !isVolatile(order),
    },
    {
      ...{ name: `limit ${limit}, by activity`, limit, goalMs: goals.volatile[index] ?? 0 },
      holds: isVolatile,
    },
  ]);

const LONG = columnsOf({ stable: [8, 80], volatile: [15, 130] });
const SHORT = columnsOf({ stable: [10, 120], volatile: [10, 120] });

/** Times pages of a term: every term, order and limit. */
export async function measureSearches(bench: SqlBench): Promise<Section[]> {
  const select = await bench.timeSelect("before the searches");
  return [
    await searchesOf(bench, "Queries of three characters and more", LONG_TERMS, LONG, select),
    await searchesOf(bench, "Queries of one or two characters", SHORT_TERMS, SHORT, select),
  ];
}

/** One term's lines, in the order of the columns, each with its order. */
interface Searched {
  term: string;
  matches: number;
  columns: { order: string; line: Line }[][];
}

async function searchesOf(
  bench: SqlBench,
  title: string,
  terms: readonly string[],
  columns: readonly Column[],
  select: Line,
): Promise<Section> {
  const searched: Searched[] = [];
  for (const term of terms) {
    bench.say(`searching ${term}`);
    const matches = await bench.queries().count(parseUserFilter({ query: [term] }));
    const own: Searched["columns"] = [];
    for (const column of columns) own.push(await searchesIn(bench, term, column, select));
    searched.push({ term, matches, columns: own });
  }
  const cells = columns.map((_, index) => searched.flatMap((one) => one.columns[index] ?? []));
  return {
    title,
    notes: [
      "Milliseconds, median / p99, of the slowest order; by activity: ordered by `updated_at`, `last_active_at` or " +
        `\`last_sign_in_at\`. One prepared SELECT by id takes ${pair(select)} on the same connection.`,
    ],
    head: ["term", "users", ...columns.map(({ name }) => name)],
    rows: [
      ...searched.map(rowOf),
      ...[
        ...verdict(cells.map((column) => column.map(({ line }) => line))),
        ["orders over the goal", ...cells.map(missed)],
      ].map(([name = "", ...rest]) => [name, "", ...rest]),
    ],
  };
}

async function searchesIn(bench: SqlBench, term: string, { limit, holds, goalMs }: Column, select: Line) {
  const found: { order: string; line: Line }[] = [];
  for (const order of ORDERS.filter(holds)) {
    const params = { query: [term], limit: [String(limit)], order_by: [order] };
    const against = { reference: select, goals: atMost(goalMs) };
    const line = await bench.timeList(`query ${term}, ${order}, limit ${limit}`, params, against);
    found.push({ order, line });
  }
  return found;
}

function rowOf({ term, matches, columns }: Searched): string[] {
  const worst = columns.map((cells) => {
    const line = slowest(cells.map((cell) => cell.line));
    return `${pair(line)} \`${cells.find((cell) => cell.line === line)?.order}\``;
  });
  return [quoted(term), matches.toLocaleString("en"), ...worst];
}

/** How many of a column's terms and orders miss its goal. */
function missed(cells: readonly { line: Line }[]): string {
  const over = cells.filter(({ line }) => line.goals.some(({ met }) => !met));
  return `${over.length} of ${cells.length}`;
}

/** As code in a cell of a Markdown table. */
export const quoted = (term: string) => `\`${term.replace("|", "\\|")}\``;
