/**
 * A page whose parts between `<!-- name -->` and `<!-- /name -->` are made of the program. What is written around them stays. Throws where the
 * page has no such place for a part.
 */
export function withParts(page: string, parts: Readonly<Record<string, string>>): string {
  return Object.entries(parts).reduce((text, [name, part]) => {
    const [open, close] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
    const [from, to] = [text.indexOf(open), text.indexOf(close)];
    if (from < 0 || to < from) throw new Error(`The page has no place for ${name}.`);
    return `${text.slice(0, from)}${open}\n${part.trim()}\n\n${text.slice(to)}`;
  }, page);
}

/** A table in markdown. A cell of several lines becomes one. */
export function tableOf(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `|${cells.map((text) => (text === "" ? " " : ` ${text.replaceAll(/\s*\n\s*/g, " ").replaceAll("|", "\\|")} `)).join("|")}|`;
  return [line(columns), `|${columns.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}
