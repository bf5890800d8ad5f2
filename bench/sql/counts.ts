import { parseUserFilter, type RawParams } from "../../src/query/clerk-params.js";
import { type Goal, type Line, type Section, sectionOf } from "../report/table.js";
import { LONG_TERMS, quoted, SHORT_TERMS } from "./searches.js";
import { pair, type SqlBench } from "./sql-bench.js";

const DAY_MS = 86_400_000;
/** How many times the scan of a table of two columns a count may take at most. */
const SCAN_GOAL = 1.2;
/** Terms that fewer users have are counted in a moment. */
const FEW = 500;
const FEW_GOAL_MS = 5;
const COMMON = { term: "gmail", goalMs: 120 };

/** Times every count for the first time, because a count is kept until the next commit. */
export async function measureCounts(bench: SqlBench): Promise<Section[]> {
  bench.say("counting by filters");
  const filters = await countsByFilter(bench);
  bench.say("copying the table that the reference for counts reads");
  await prepareTerms(bench);
  return [
    sectionOf("Counts, each for the first time", [], filters),
    await countsOfTerms(bench, [...LONG_TERMS, ...SHORT_TERMS]),
  ];
}

async function countsByFilter(bench: SqlBench): Promise<Line[]> {
  const reference = await bench.time(
    "count(*) of user_search",
    () => bench.database.primary.sql`select count(*) from mirror_data.user_search`,
  );
  const since = String(Date.now() - 30 * DAY_MS);
  const [largest] = await bench.database.primary.sql<{ id: string }[]>`
    select organization_id as id from mirror.organization_memberships group by 1 order by count(*) desc, 1 limit 1`;
  const counted = (what: string, params: RawParams, goals?: (line: Pick<Line, "p99Ms">) => Goal[]) =>
    bench.time(`count, ${what}`, () => bench.queries().count(parseUserFilter(params)), {
      ...{ reference, ...(goals && { goals }) },
    });
  return [
    reference,
    await counted("no filter", {}, ({ p99Ms }) => [{ text: "p99 ≤ 2 ms", met: (p99Ms ?? 0) <= 2 }]),
    await counted("banned", { banned: ["true"] }),
    await counted("created in the last 30 days", { created_at_after: [since] }),
    await counted("active in the last 30 days", { last_active_at_since: [since] }),
    await counted("members of the largest organization", { organization_id: [largest?.id ?? ""] }),
    await counted("email_address_query=gmail", { email_address_query: ["gmail"] }),
  ];
}

/** Every user's text in the narrowest table that could hold it, for two workers to read. */
async function prepareTerms({
  database: {
    primary: { sql },
  },
}: SqlBench): Promise<void> {
  await sql.unsafe(`
    create schema if not exists bench;
    drop table if exists bench.terms;
    create unlogged table bench.terms (id text collate "C" not null, search text collate "C" not null)
      with (parallel_workers = 2);
    insert into bench.terms select id, search from mirror_data.user_search`);
  await sql`vacuum (analyze) bench.terms`;
}

async function countsOfTerms(bench: SqlBench, terms: readonly string[]): Promise<Section> {
  const rows: string[][] = [];
  let worst = 0;
  for (const term of terms) {
    bench.say(`counting ${term}`);
    const { matches, scan, line } = await countsOf(bench, term);
    worst = Math.max(worst, line.ratio ?? 0);
    rows.push([
      ...[quoted(term), matches.toLocaleString("en"), pair(line), pair(scan), ratioOf(line.ratio)],
      ...[line.goals.map(({ text }) => text).join(", "), line.goals.map(wordFor).join(", ")],
    ]);
  }
  const goal = scanGoal(worst);
  return {
    title: "Counts of terms, each for the first time",
    notes: [
      "Milliseconds, median / p99, beside two workers that read a table of nothing but id and text from end to end, " +
        "comparing the same way.",
    ],
    head: ["term", "users", "count", "scan", "ratio", "goal", "met"],
    rows: [...rows, ["worst", "", "", "", ratioOf(worst), goal.text, wordFor(goal)]],
  };
}

async function countsOf(bench: SqlBench, term: string) {
  const filter = parseUserFilter({ query: [term] });
  const matches = await bench.queries().count(filter);
  const scan = await bench.time(`scan for ${term}, two workers`, () => scanFor(bench, term));
  const line = await bench.time(`count ${term}`, () => bench.queries().count(filter), {
    reference: scan,
    goals: ({ median, ratio }) => [
      scanGoal(ratio ?? 0),
      ...(term === COMMON.term ? [within(median, COMMON.goalMs)] : []),
      ...(matches < FEW ? [within(median, FEW_GOAL_MS)] : []),
    ],
  });
  return { matches, scan, line };
}

function scanFor(
  {
    database: {
      primary: { sql },
    },
  }: SqlBench,
  term: string,
): Promise<unknown> {
  const isLong = [...term].length >= 3;
  const condition = isLong ? "search like $1" : "position($1 in search) > 0";
  return sql.begin(async (tx) => {
    await tx.unsafe(`
      set local max_parallel_workers_per_gather = 2; set local jit = off;
      set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0`);
    return tx.unsafe(`select count(*) from bench.terms where ${condition}`, [isLong ? `%${term}%` : term]);
  });
}

const scanGoal = (ratio: number): Goal => ({ text: `≤ ${SCAN_GOAL} ×`, met: ratio <= SCAN_GOAL });

const within = (ms: number, goalMs: number): Goal => ({ text: `≤ ${goalMs} ms`, met: ms <= goalMs });

const wordFor = ({ met }: Goal) => (met ? "yes" : "no");

const ratioOf = (ratio: number | null) => (ratio === null ? "" : `${ratio.toFixed(2)} ×`);
