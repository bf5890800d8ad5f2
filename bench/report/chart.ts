/** One row of a chart: a figure, and what it stands beside. */
export interface Bar {
  label: string;
  value: number;
  /** Drawn below it, in grey. */
  reference?: { label: string; value: number };
}

export interface Chart {
  title: string;
  /** Behind each figure, such as `/s`. */
  unit: string;
  /** Said below the title: what is better, and where it was measured. */
  note: string;
  bars: readonly Bar[];
}

const WIDTH = 760;
const LABELS = 250;
const FIGURES = 90;
const BAR = 14;
const GAP = 10;
const TOP = 58;

/** The chart as an SVG that follows the reader's light or dark theme. Text is text: it can be searched and read aloud. */
export function drawChart({ title, unit, note, bars }: Chart): string {
  const longest = Math.max(...bars.flatMap(({ value, reference }) => [value, reference?.value ?? 0]));
  const widthOf = (value: number) => Math.max(1, (value / longest) * (WIDTH - LABELS - FIGURES));
  const lines: string[] = [];
  let y = TOP;
  for (const { label, value, reference } of bars) {
    lines.push(...bar({ y, kind: "own", label, value, unit, width: widthOf(value) }));
    y += BAR;
    if (reference) {
      lines.push(...bar({ y, kind: "other", ...reference, unit, width: widthOf(reference.value) }));
      y += BAR;
    }
    y += GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" role="img" aria-label="${escaped(title)}">`,
    `<style>text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-size:15px;font-weight:600}.note,.other{fill:#6e7781}
.own-bar{fill:#0969da}.other-bar{fill:#afb8c1}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note,.other{fill:#8b949e}
.own-bar{fill:#4493f8}.other-bar{fill:#484f58}}</style>`,
    `<text class="title" x="0" y="18">${escaped(title)}</text>`,
    `<text class="note" x="0" y="38">${escaped(note)}</text>`,
    ...lines,
    "</svg>",
    "",
  ].join("\n");
}

function bar(options: {
  y: number;
  kind: "own" | "other";
  label: string;
  value: number;
  unit: string;
  width: number;
}): string[] {
  const { y, kind, label, value, unit, width } = options;
  const text = kind === "other" ? ' class="other"' : "";
  const base = y + BAR - 3;
  return [
    `<text${text} x="${LABELS - 8}" y="${base}" text-anchor="end">${escaped(label)}</text>`,
    `<rect class="${kind}-bar" x="${LABELS}" y="${y + 1}" width="${width.toFixed(1)}" height="${BAR - 2}" rx="2"/>`,
    `<text${text} x="${(LABELS + width + 6).toFixed(1)}" y="${base}">${figure(value)}${escaped(unit)}</text>`,
  ];
}

const figure = (value: number) => (value < 100 ? String(value) : Math.round(value).toLocaleString("en"));

const escaped = (text: string) =>
  text.replace(
    /[&<>"]/g,
    (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign] ?? sign,
  );
