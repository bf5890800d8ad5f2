import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bar, drawChart } from "./chart.js";
import type { Line } from "./table.js";

// Draws the charts of docs/BENCHMARKS.md: `charts.ts <what bench --save wrote>.json <folder>`.

interface Saved {
  users: number;
  server: string;
  postgres: string;
  machine: string;
  at: string;
  lines: Pick<Line, "what" | "unit" | "median" | "reference">[];
}

const REQUESTS = [
  ["get by id, cached", "get by id, from memory"],
  ["get by id, batched (nothing in memory)", "get by id, from Postgres"],
  ["by e-mail", "look up by e-mail address"],
  ["count", "count all"],
  ["memberships of a user", "memberships of a user"],
] as const;

const WEBHOOKS = [
  ["webhooks, identity unchanged (activity)", "a user was active"],
  ["webhooks, identity changed (name)", "a name changed"],
] as const;

const TIMES = [
  ["-created_at, limit 10", "the 10 newest users"],
  ["-created_at, limit 500", "the 500 newest users"],
  ["-created_at, limit 10, offset 900,000", "10 users at offset 900,000"],
  ["query ann, -created_at, limit 10", "search “ann”, 10 users"],
  ["query qx7, -created_at, limit 10", "search “qx7”, 10 users"],
  ["count qx7", "count of 379 matches"],
  ["count gmail", "count of 544,362 matches"],
  ["aggregate, sign-ups per day, 90 days", "sign-ups a day, by SQL"],
] as const;

const [file = "", folder = ""] = process.argv.slice(2);
const saved = JSON.parse(readFileSync(file, "utf8")) as Saved;
const where = `${saved.users.toLocaleString("en")} users, PostgreSQL ${saved.postgres}, ${saved.machine}, ${saved.at}.`;

function barsOf(rows: readonly (readonly [what: string, label: string])[]): Bar[] {
  return rows.map(([what, label]) => {
    const line = lineOf(what);
    if (line.reference === null) return { label, value: line.median };
    const value = lineOf(line.reference).median;
    return {
      label,
      value: line.median,
      reference: { label: line.reference.split(", identity")[0] ?? "", value },
    };
  });
}

function lineOf(name: string): Saved["lines"][number] {
  const line = saved.lines.find(({ what }) => what === name);
  if (!line) throw new Error(`${file} has no line “${name}”`);
  return line;
}

writeFileSync(
  join(folder, "requests.svg"),
  drawChart({
    ...{ title: "Requests a second, 64 connections", unit: "/s", bars: barsOf(REQUESTS) },
    note: `Longer is better; grey: the reference of the same run. ${where}`,
  }),
);
writeFileSync(
  join(folder, "webhooks.svg"),
  drawChart({
    ...{ title: "Webhooks a second, 64 connections", unit: "/s", bars: barsOf(WEBHOOKS) },
    note: `Longer is better; grey: the reference of the same run. ${where}`,
  }),
);
writeFileSync(
  join(folder, "times.svg"),
  drawChart({
    ...{ title: "Milliseconds for one answer, median", unit: " ms", bars: barsOf(TIMES) },
    note: `Shorter is better. ${where}`,
  }),
);
