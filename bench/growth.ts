import { readFileSync } from "node:fs";
import { markdown, milliseconds } from "./table.js";

// Prints how figures grow with the number of users: `growth.ts <what bench --save wrote>.json …`.

interface Saved {
  users: number;
  lines: { what: string; unit: string; median: number }[];
  figures: { what: string; medianMs: number }[];
}

const FIGURES = [
  "one prepared SELECT by id",
  "-created_at, limit 10",
  "-created_at, limit 500",
  "-last_active_at, limit 10",
  "query ann, -created_at, limit 10",
  "query ann, -created_at, limit 500",
  "query john.smith9, -created_at, limit 10",
  "query qx7, -created_at, limit 10",
  "query é, -created_at, limit 10",
  "count, no filter",
  "count gmail",
  "count qx7",
];
const LINES = [
  "get by id, nothing in memory",
  "get by id, from memory",
  "by e-mail",
  "webhooks, activity",
  "webhooks, name changed",
  "changed users",
];

const saved = process.argv
  .slice(2)
  .map((file) => JSON.parse(readFileSync(file, "utf8")) as Saved)
  .sort((a, b) => a.users - b.users);

const rows = [
  ...FIGURES.map((what) => [
    `${what}, ms`,
    ...saved.map(({ figures }) => {
      const figure = figures.find((one) => one.what === what);
      return figure ? milliseconds(figure.medianMs) : "";
    }),
  ]),
  ...LINES.map((what) => [
    `${what}, a second`,
    ...saved.map(({ lines }) => {
      const line = lines.find((one) => one.what === what);
      return line ? Math.round(line.median).toLocaleString("en") : "";
    }),
  ]),
];
console.log(markdown(["", ...saved.map(({ users }) => users.toLocaleString("en"))], rows));
