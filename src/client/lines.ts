/** The longest line that is held: a user has some kilobytes, and nothing that Clerk allows comes near this. */
const MOST_CHARS = 64 * 1024 * 1024;

/** Lines of a text that comes in pieces, without their ends (`\n`, `\r\n`, `\r`). The last one needn't have an end. */
export async function* linesOf(text: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let rest = "";
  for await (const piece of text) {
    rest += piece;
    if (rest.length > MOST_CHARS) throw new RangeError("A line of the stream is too long.");
    // A `\r` at the very end may be half of an end.
    const lines = rest.slice(0, rest.endsWith("\r") ? -1 : undefined).split(/\r\n|\n|\r/);
    rest = `${lines.pop() ?? ""}${rest.endsWith("\r") ? "\r" : ""}`;
    yield* lines;
  }
  if (rest !== "") yield rest.replace(/\r$/, "");
}
