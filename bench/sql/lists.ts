import { ORDER_FIELDS } from "../../src/query/order.js";
import { type Line, milliseconds, type Section } from "../report/table.js";
import { atMost, pair, type SqlBench, verdict } from "./sql-bench.js";

export const ORDERS = ORDER_FIELDS.flatMap((field) => [`+${field}`, `-${field}`]);

const LIMITS = [10, 100, 500];
const OFFSETS = [0, 1000, 100_000, 900_000];
/** Where in the list the user stands behind whom a page begins. */
const DEPTHS = [0, 0.1, 0.5, 0.9];
/** How many times the first page a later one may take at most. */
const KEYSET_GOAL = 2;

/** Times pages of all users: every order, limit and offset. */
export async function measureLists(bench: SqlBench): Promise<Section[]> {
  const select = await bench.timeSelect("before the lists");
  const about = `Milliseconds, median / p99. One prepared SELECT by id takes ${pair(select)} on the same connection.`;
  const sections: Section[] = [];
  for (const limit of LIMITS) sections.push(await listsOf(bench, limit, select, about));
  return [...sections, await measureKeyset(bench, select)];
}

async function listsOf(bench: SqlBench, limit: number, select: Line, about: string): Promise<Section> {
  const offsets = offsetsAmong(bench.users);
  const rows: { order: string; lines: Line[] }[] = [];
  for (const order of ORDERS) {
    bench.say(`lists of ${limit} by ${order}`);
    const lines: Line[] = [];
    for (const offset of offsets) {
      const what = `${order}, limit ${limit}${offset > 0 ? `, ${nameOf(offset)}` : ""}`;
      const params = { order_by: [order], limit: [String(limit)], offset: [String(offset)] };
      const against = { reference: select, goals: atMost(goalOf(limit, offset)) };
      lines.push(await bench.timeList(what, params, against));
    }
    rows.push({ order, lines });
  }
  return {
    title: `Lists of ${limit}`,
    notes: [about],
    head: ["order", ...offsets.map(nameOf)],
    rows: [
      ...rows.map(({ order, lines }) => [`\`${order}\``, ...lines.map(pair)]),
      ...verdict(offsets.map((_, column) => rows.flatMap(({ lines }) => lines[column] ?? []))),
    ],
  };
}

/** Offsets end at 90 % of the users, because an offset beyond the last user costs nothing. */
function offsetsAmong(users: number): number[] {
  return [...new Set(OFFSETS.map((offset) => Math.min(offset, Math.floor(users * 0.9))))];
}

const nameOf = (offset: number) => `offset ${offset.toLocaleString("en")}`;

function goalOf(limit: number, offset: number): number | null {
  if (limit === 10) return offset === 0 ? 2 : offset <= 100_000 ? 15 : 50;
  return limit === 500 && offset === 0 ? 25 : null;
}

/** Times pages that begin behind a user, who is looked up first, beside the first page of the same size. */
async function measureKeyset(bench: SqlBench, select: Line): Promise<Section> {
  const rows: string[][] = [];
  for (const order of ["-created_at", "+created_at"]) {
    const cursors = await cursorsOf(bench, order);
    for (const limit of LIMITS) {
      bench.say(`keyset of ${limit} by ${order}`);
      rows.push(await keysetOf(bench, order, limit, cursors));
    }
  }
  return {
    title: "Keyset: `starting_after` a user at",
    notes: [
      `Milliseconds, median / p99. One prepared SELECT by id takes ${milliseconds(select.median)}; here a page is held ` +
        "against the first one of the same limit, asked for without a cursor.",
    ],
    head: [
      "",
      "first page",
      ...DEPTHS.map((depth) => `${depth * 100} %`),
      "ratio of the worst",
      "goal",
      "met",
    ],
    rows,
  };
}

async function keysetOf(
  bench: SqlBench,
  order: string,
  limit: number,
  cursors: readonly string[],
): Promise<string[]> {
  const params = { order_by: [order], limit: [String(limit)] };
  const first = await bench.timeList(`first page, ${order}, limit ${limit}`, params);
  const goals = ({ ratio }: Pick<Line, "ratio">) =>
    limit === 10 ? [{ text: `≤ ${KEYSET_GOAL} ×`, met: (ratio ?? 0) <= KEYSET_GOAL }] : [];
  const lines: Line[] = [];
  for (const [index, id] of cursors.entries()) {
    const what = `keyset at ${(DEPTHS[index] ?? 0) * 100} %, ${order}, limit ${limit}`;
    lines.push(await bench.timeList(what, { ...params, starting_after: [id] }, { reference: first, goals }));
  }
  const worst = Math.max(...lines.map(({ ratio }) => ratio ?? 0));
  const [goal] = goals({ ratio: worst });
  return [
    ...[`\`${order}\`, limit ${limit}`, ...[first, ...lines].map(pair), `${worst.toFixed(2)} ×`],
    ...[goal?.text ?? "", goal ? (goal.met ? "yes" : "no") : ""],
  ];
}

async function cursorsOf({ database, users }: SqlBench, order: string): Promise<string[]> {
  const direction = order.startsWith("-") ? "desc" : "asc";
  const ids: string[] = [];
  for (const depth of DEPTHS) {
    const [row] = await database.primary.sql.unsafe<{ id: string }[]>(
      `select id from mirror_data.user_search order by created_at ${direction}, id ${direction}
      limit 1 offset ${Math.floor(users * depth)}`,
    );
    ids.push(row?.id ?? "");
  }
  return ids;
}
