const QUOTED = /"((?:[^"\\]|\\["\\])*)"(?=\.|$)/y;
const BARE = /[^."]+(?=\.|$)/y;

/**
 * The keys of a path from a place in a text on: between dots, or in quotes, where a key may have any characters, `\"` and `\\`
 * for these two. `wrongAt`: the place where no key stands.
 */
export function keysIn(text: string, from: number): { keys: string[] } | { wrongAt: number } {
  const keys: string[] = [];
  for (let next = from; next <= text.length; ) {
    const pattern = text[next] === '"' ? QUOTED : BARE;
    pattern.lastIndex = next;
    const [whole, quoted] = pattern.exec(text) ?? [];
    if (whole === undefined) return { wrongAt: next };
    keys.push(quoted === undefined ? whole : quoted.replace(/\\(.)/g, "$1"));
    next += whole.length + 1;
  }
  return { keys };
}
