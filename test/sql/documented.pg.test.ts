// Covers docs/sql.md, docs/analytics

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import { freshDatabase } from "../support/database.js";
import { explainAnalyze } from "../support/explained.js";
import { fillWithUsers } from "../support/many-users.js";

const USERS = 20_000;
const docs = join(import.meta.dirname, "../../docs");
const read = (file: string) => readFileSync(join(docs, file), "utf8");

let sql: postgres.Sql;

beforeAll(async () => {
  const own = await freshDatabase();
  sql = postgres(own.url, { max: 1, onnotice: () => {} });
  await fillWithUsers(sql, USERS);
  await sql.unsafe(`
    create table public.orders as select n as id, id as user_id, n as total, now() - n * interval '1 hour' as created_at
      from (select id, row_number() over (order by id) as n from mirror.users limit 500) as first;
    create index on public.orders (created_at);
    analyze public.orders;
    grant select on public.orders to mirror_reader`);
  return async () => {
    await sql.end();
    await own.drop();
  };
}, 240_000);

/** What each question of `docs/sql.md` may read from end to end; all else is looked up. */
const MAY_READ_WHOLE: Record<string, readonly string[]> = {
  "Who made today's orders?": ["orders"],
  "How many sign up a week, by plan?": ["user_metadata"],
  "How many a day in Berlin, with the days on which nobody came?": [],
  "Who was here last?": [],
  "Whose is this address, in whatever case, primary or not?": [],
  "Who has this in their metadata?": [],
  "Which companies have most users?": ["user_search", "user_activity"],
  "Who belongs to an organization, in which role?": ["organizations"],
  "How large are the organizations, and who has no administrator?": [
    "organizations",
    "organization_memberships",
    "users",
  ],
  "Which administrators are dormant?": [
    "organizations",
    "organization_memberships",
    "users",
    "user_activity",
  ],
  "Which administrators have no second factor?": [
    "organizations",
    "organization_memberships",
    "users",
    "user_activity",
  ],
  "Who is in no organization?": ["organizations", "organization_memberships", "users"],
  "Who paid and hasn't come back?": ["orders", "user_activity"],
  "How many are there, and how many were active, day by day?": ["daily_users", "upstream"],
  "How many are active a week?": ["user_activity"],
  "How many of a week's new users come back?": ["active_days"],
  "How many leave a week?": [],
  "By which accounts do people sign in?": ["user_identifiers"],
  "Who has this in their private metadata?": [],
  "Copy it elsewhere, and keep the copy fresh": [],
};

interface Block {
  title: string;
  text: string;
}

function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  let title = "";
  for (const [, heading, text] of markdown.matchAll(/^#{2,3} (.+)$|^```sql\n([\s\S]*?)^```$/gm)) {
    if (heading !== undefined) title = heading;
    else blocks.push({ title, text: (text ?? "").trim().replace(/;$/, "") });
  }
  return blocks;
}

/** As a reader logs in: with its limits, and with what it may see. */
const asReader = (role: string, statement: string) =>
  sql.begin(async (tx) => {
    await tx.unsafe(
      `set local role ${role}; set local max_parallel_workers_per_gather = 0; set local work_mem = '16MB'`,
    );
    return tx.unsafe(statement);
  });

describe("docs/sql.md", () => {
  const blocks = blocksOf(read("sql.md"));

  test("has every question that is known here, and no others", () => {
    expect(blocks.map(({ title }) => title)).toEqual(Object.keys(MAY_READ_WHOLE));
  });

  test.for(blocks.map(({ title, text }) => [title, text] as const))("%s", async ([title, text]) => {
    const role = text.includes("private_metadata") ? "mirror_reader_private" : "mirror_reader";
    expect((await asReader(role, text)).length).toBeGreaterThan(0);
    const { wholeTables } = await explainAnalyze(sql, text);
    const allowed = MAY_READ_WHOLE[title] ?? [];
    expect([title, [...wholeTables].filter((table) => !allowed.includes(table))]).toEqual([title, []]);
  });

  test("names every view and the columns that they have", async () => {
    const diagram = /```mermaid([\s\S]*?)```/.exec(read("sql.md"))?.[1] ?? "";
    const drawn = [...diagram.matchAll(/^ {2}(\w+) \{([\s\S]*?)\}/gm)].flatMap(([, view, columns = ""]) =>
      [...columns.matchAll(/^ {4}(\w+) (\w+)/gm)].map(([, type, column]) => `${view}.${column} ${type}`),
    );
    const rows = await sql<{ view: string; column: string; type: string }[]>`
      select table_name as view, column_name as column, data_type as type
      from information_schema.columns where table_schema = 'mirror'`;
    const there = rows.map(
      ({ view, column, type }) =>
        `${view}.${column} ${type.replace("timestamp with time zone", "timestamptz")}`,
    );
    expect(drawn.filter((one) => !there.includes(one))).toEqual([]);
    const views = new Set(rows.map(({ view }) => view));
    expect([...views].filter((view) => !drawn.some((one) => one.startsWith(`${view}.`)))).toEqual([]);
  });
});

describe("docs/analytics", () => {
  const files = readdirSync(join(docs, "analytics/sql"));

  test.for(files.map((file) => [file]))("sql/%s is answered", async ([file = ""]) => {
    const text = read(`analytics/sql/${file}`);
    expect((await asReader("mirror_reader", text)).length).toBeGreaterThan(0);
    expect(read("analytics/README.md")).toContain(`](sql/${file})`);
  });

  interface Dashboard {
    panels: { title: string; targets: { rawSql: string; format: string }[] }[];
  }
  const { panels } = JSON.parse(read("analytics/grafana-dashboard.json")) as Dashboard;

  test.for(panels.map((panel) => [panel.title, panel] as const))(
    "the panel %s of the dashboard is answered",
    async ([, { targets }]) => {
      for (const { rawSql, format } of targets) {
        const rows = await asReader("mirror_reader", withGrafanaMacros(rawSql));
        expect(rows.length).toBeGreaterThan(0);
        if (format === "time_series") expect(rows[0]?.time).toBeInstanceOf(Date);
      }
    },
  );
});

/** As Grafana's data source for PostgreSQL writes them out. */
function withGrafanaMacros(text: string): string {
  const time = (daysAgo: number) => `'${new Date(Date.now() - daysAgo * 86_400_000).toISOString()}'`;
  return text
    .replace(/\$__timeFilter\((\w+)\)/g, `$1 BETWEEN ${time(30)} AND ${time(0)}`)
    .replaceAll("$__timeFrom()", time(30))
    .replaceAll("$__timeTo()", time(0));
}
