import { readFileSync } from "node:fs";
import { type Line, markdown, milliseconds } from "../report/table.js";
import { GET_BATCHED, GET_CACHED, WEBHOOKS_CHANGED, WEBHOOKS_UNCHANGED } from "./scenarios.js";

// Prints how figures grow with the number of users: `growth.ts <what bench --save wrote>.json …`.

interface Saved {
  users: number;
  databaseBytes: number;
  peakMb: number | null;
  lines: Pick<Line, "what" | "unit" | "median">[];
}

/** The lines to show. A cell stays empty if its run has no such line, as for an offset beyond its users. */
const LINES = [
  "one prepared SELECT by id, before the lists",
  "-created_at, limit 10",
  "-created_at, limit 500",
  "-last_active_at, limit 10",
  "-created_at, limit 10, offset 100,000",
  "-created_at, limit 10, offset 900,000",
  "query ann, -created_at, limit 10",
  "query john.smith9, -created_at, limit 10",
  "query qx7, -created_at, limit 10",
  "query é, -created_at, limit 10",
  "query ann, -created_at, limit 500",
  "count gmail",
  "count qx7",
  "count(*) of user_search",
  "count, no filter",
  "aggregate, sign-ups per day, 90 days",
  "aggregate, users per plan",
  GET_BATCHED,
  GET_CACHED,
  "by e-mail",
  WEBHOOKS_UNCHANGED,
  WEBHOOKS_CHANGED,
  "new users, trigram index in place",
  "changed users",
  "unchanged users",
];

const saved = process.argv
  .slice(2)
  .map((file) => JSON.parse(readFileSync(file, "utf8")) as Saved)
  .sort((a, b) => a.users - b.users);

const rows = [
  ...LINES.map(rowOf),
  ["size of the database, MB", ...saved.map(({ databaseBytes }) => whole(databaseBytes / 1e6))],
  ["memory of the server at most, MB", ...saved.map(({ peakMb }) => (peakMb === null ? "" : whole(peakMb)))],
];
console.log(markdown(["", ...saved.map(({ users }) => whole(users))], rows));

function rowOf(what: string): string[] {
  const lines = saved.map((one) => one.lines.find((line) => line.what === what));
  const isRate = lines.some((line) => line?.unit === "/s");
  return [
    `${what}, ${isRate ? "a second" : "ms"}`,
    ...lines.map((line) => (!line ? "" : isRate ? whole(line.median) : milliseconds(line.median))),
  ];
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}
