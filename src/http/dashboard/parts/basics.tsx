import type { Child } from "hono/jsx";

// The small parts that every page is made of.

export type Tone = "good" | "warn" | "bad" | "quiet";

export const Badge = ({ tone = "quiet", children }: { tone?: Tone; children?: Child }) => (
  <span class={`badge ${tone}`}>{children}</span>
);

/** A moment, as far away as it is; the exact time stands in its title. The browser keeps it up to date. */
export function Time({ at, nowMs }: { at: number | null | undefined; nowMs: number }) {
  if (at === null || at === undefined) return <span class="quiet">never</span>;
  const moment = new Date(at);
  const iso = Number.isNaN(moment.getTime()) ? String(at) : moment.toISOString();
  return (
    <time datetime={iso} title={iso} data-ago="">
      {ago(at, nowMs)}
    </time>
  );
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
] as const;

/** `3 h ago`, `in 5 min`, `just now`. The script has the same rule. */
function ago(atMs: number, nowMs: number): string {
  const ms = nowMs - atMs;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(ms) >= size) ?? ["s", 1000];
  const n = Math.floor(Math.abs(ms) / size);
  if (n === 0) return "just now";
  return ms > 0 ? `${n} ${unit} ago` : `in ${n} ${unit}`;
}

export const count = (n: number) => n.toLocaleString("en");

/** What a list shows that has nothing: why, and what to do next. */
export const Empty = ({ title, children }: { title: string; children?: Child }) => (
  <div class="empty">
    <p>
      <strong>{title}</strong>
    </p>
    <div>{children}</div>
  </div>
);

/** What went wrong, or what was done. Read out by screen readers. */
export const Notice = ({ tone, children }: { tone: Tone; children?: Child }) => (
  <div class={`notice ${tone}`} role={tone === "bad" ? "alert" : "status"}>
    {children}
  </div>
);

interface PanelProps {
  title: string;
  id?: string;
  /** It takes all columns. */
  isWide?: boolean;
  children?: Child;
}

/** A part of a page. */
export const Panel = ({ title, id, isWide, children }: PanelProps) => (
  <section class={isWide ? "panel wide" : "panel"} id={id} aria-label={title}>
    <div class="panel-head">
      <h2>{title}</h2>
    </div>
    {children}
  </section>
);

/** A number with its name. */
export const Figure = ({
  name,
  tone,
  note,
  children,
}: {
  name: string;
  tone?: Tone;
  note?: Child;
  children?: Child;
}) => (
  <div class={`figure ${tone ?? ""}`}>
    <dt>{name}</dt>
    <dd>{children}</dd>
    {note && <dd class="quiet">{note}</dd>}
  </div>
);

export const Figures = ({ children }: { children?: Child }) => <dl class="figures">{children}</dl>;

/** The head of a column of numbers, above them. */
export const OfNumbers = ({ children }: { children?: Child }) => <span class="number">{children}</span>;

/** A table that scrolls inside of its own box where the screen is narrow. */
export function Table({
  caption,
  head,
  children,
}: {
  caption: string;
  head: readonly Child[];
  children?: Child;
}) {
  return (
    <section class="scroll" tabindex={0} aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {head.map((cell) => (
              <th scope="col">{cell}</th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}
