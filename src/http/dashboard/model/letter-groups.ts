import { hash } from "node:crypto";
import type { ShownLetter } from "../../routes/dead-letters.js";

/** Letters that failed for the same cause. */
export interface LetterGroup {
  /** Names the cause in an address. */
  key: string;
  /** The error of the first of them. */
  error: string;
  letters: ShownLetter[];
  types: string[];
  firstAt: number;
  lastAt: number;
}

/** Groups of letters whose errors differ at most in ids, numbers and quoted texts; the largest first. */
export function groupLetters(letters: readonly ShownLetter[]): LetterGroup[] {
  const groups = new Map<string, LetterGroup>();
  for (const letter of letters) {
    const key = keyOf(letter.error);
    const type = letter.type ?? `${letter.kind ?? "object"} answered by Clerk`;
    const group = groups.get(key);
    if (!group) {
      const { error, received_at: at } = letter;
      groups.set(key, { key, error, letters: [letter], types: [type], firstAt: at, lastAt: at });
      continue;
    }
    group.letters.push(letter);
    if (!group.types.includes(type)) group.types.push(type);
    group.firstAt = Math.min(group.firstAt, letter.received_at);
    group.lastAt = Math.max(group.lastAt, letter.received_at);
  }
  return [...groups.values()].sort((a, b) => b.letters.length - a.letters.length);
}

function keyOf(error: string): string {
  const cause = error
    .replace(/"[^"]*"|'[^']*'/g, "…")
    .replace(/\b[a-z]+_[A-Za-z0-9]{6,}\b/g, "…")
    .replace(/\d+/g, "0");
  return hash("sha256", cause, "hex").slice(0, 16);
}
