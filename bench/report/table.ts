/** One measured figure beside its reference. */
export interface Line {
  what: string;
  /** `/s`: more is better. `ms`: less is better. */
  unit: "/s" | "ms";
  /** The median of the rounds. */
  median: number;
  p99Ms: number | null;
  reference: string | null;
  /** How many times the reference of the same run. */
  ratio: number | null;
  goals: Goal[];
}

export interface Goal {
  text: string;
  met: boolean;
}

/** The figures as JSON, one line each. */
export function jsonOf(about: object, lines: readonly Line[]): string {
  const head = JSON.stringify(about, null, 2).replace(/\n}$/, "");
  return `${head},\n  "lines": [\n    ${lines.map((line) => JSON.stringify(line)).join(",\n    ")}\n  ]\n}`;
}

/** A part of the report: a table with its title, and what it is based on. */
export interface Section {
  title: string;
  notes: string[];
  head: string[];
  rows: string[][];
}

const HEAD = ["", "median", "p99", "reference", "ratio", "goal", "met"];

export const sectionOf = (title: string, notes: string[], lines: readonly Line[]): Section => ({
  ...{ title, notes, head: HEAD },
  rows: lines.map(cells),
});

export function printSection({ title, notes, head, rows }: Section): string {
  return [`### ${title}`, ...notes, markdown(head, rows)].join("\n\n");
}

/** A table as Markdown, columns aligned. */
export function markdown(head: readonly string[], body: readonly (readonly string[])[]): string {
  const rows = [head, ...body];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const print = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [print(head), print(widths.map((width) => "-".repeat(width))), ...body.map(print)].join("\n");
}

function cells({ what, unit, median: value, p99Ms, reference, ratio, goals }: Line): string[] {
  return [
    what,
    unit === "ms" ? `${milliseconds(value)} ms` : `${Math.round(value).toLocaleString("en")}/s`,
    p99Ms === null ? "" : `${milliseconds(p99Ms)} ms`,
    reference ?? "",
    ratio === null ? "" : `${ratio.toFixed(2)} ×`,
    goals.map(({ text }) => text).join(", "),
    goals.map(({ met }) => (met ? "yes" : "no")).join(", "),
  ];
}

export const milliseconds = (ms: number) => ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0);

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** A line of times without a goal. */
export const spread = (what: string, times: readonly number[]) => ({
  ...{ what, unit: "ms" as const, reference: null, ratio: null },
  median: median(times),
  p99Ms: percentile(times, 0.99),
});

/** A line of times with a goal for their median. */
export const within = (what: string, times: readonly number[], goalMs: number): Line => ({
  ...spread(what, times),
  goals: [{ text: `≤ ${goalMs} ms`, met: median(times) <= goalMs }],
});
