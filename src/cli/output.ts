/** Prints a command's result: JSON for programs, text for people. */
export function print(flags: { json?: boolean }, value: unknown, text: string): void {
  process.stdout.write(flags.json ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`);
}

/** A moment in ISO 8601, or `never` when there is none. */
export function when(ms: number | null | undefined): string {
  return ms === null || ms === undefined ? "never" : new Date(ms).toISOString();
}

/** Rows below a heading, each column as wide as its widest cell. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** A reader may close the pipe before our output ends (`--help | head -1`). The rest is dropped, without an error. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}
