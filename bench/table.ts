/** One measured line. */
export interface Line {
  what: string;
  /** Medians of the rounds. */
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  reference: string | null;
  /** To the reference in the same run. */
  ratio: number | null;
  goal: number | null;
}

const HEAD = ["", "per second", "p50 ms", "p99 ms", "reference", "ratio", "goal", "met"];

export const tableOf = (lines: readonly Line[]): string => markdown(HEAD, lines.map(cells));

/** A table as Markdown, columns aligned. */
export function markdown(head: readonly string[], body: readonly (readonly string[])[]): string {
  const rows = [head, ...body];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const print = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [print(head), print(widths.map((width) => "-".repeat(width))), ...body.map(print)].join("\n");
}

function cells({ what, perSecond, p50Ms, p99Ms, reference, ratio, goal }: Line): string[] {
  const met = ratio === null || goal === null ? "" : ratio >= goal ? "yes" : "no";
  return [
    what,
    Math.round(perSecond).toLocaleString("en"),
    p50Ms.toFixed(1),
    p99Ms.toFixed(1),
    reference ?? "",
    ratio?.toFixed(2) ?? "",
    goal === null ? "" : `≥ ${goal}`,
    met,
  ];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
