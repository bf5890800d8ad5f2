import type { AppError } from "../../lib/errors.js";
import { invalid } from "../clerk-params.js";

const SPACE = /\s*/y;
const WORD = /[a-z]*/iy;
/** A key in a path stands in quotes where it has a dot or whatever else ends a name. */
const NAME = /[^\s()[\]",.]+(?:\.(?:"[^"\\]*(?:\\.[^"\\]*)*"|[^\s()[\]",.]+))*/suy;
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/suy;
const OTHER_LITERAL = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=[\s()[\],]|$)/uy;

/** Takes the words of a SCIM filter from left to right, and says where something else stands than may stand there. */
export class ScimReader {
  /** Up to where the text has been taken. */
  private at = 0;
  /** Where the word begins that was read last, whether it was what the caller wanted or not. */
  private from = 0;

  constructor(private readonly text: string) {}

  /** The place of the next word, for `wrong`. */
  place(): number {
    this.match(SPACE);
    this.from = this.at;
    return this.from;
  }

  isAtEnd(): boolean {
    return this.place() === this.text.length;
  }

  takes(character: string): boolean {
    if (this.text[this.place()] !== character) return false;
    this.at++;
    return true;
  }

  /** `and`, `or` or an operator, in lower case. Empty: no letter stands there. */
  word(): string {
    this.place();
    return (this.match(WORD) ?? "").toLowerCase();
  }

  /** An attribute's name, or `not`. */
  name(): string {
    this.place();
    return this.match(NAME) ?? this.fail("an attribute, not or (");
  }

  literal(): unknown {
    this.place();
    const literal = this.match(STRING) ?? this.match(OTHER_LITERAL);
    try {
      return JSON.parse(literal ?? "");
    } catch {
      return this.fail("a JSON string, number, true, false or null");
    }
  }

  /** `["a", 1]` */
  literals(): unknown[] {
    if (!this.takes("[")) this.fail("[");
    if (this.takes("]")) return [];
    const values = [this.literal()];
    while (!this.takes("]")) {
      if (!this.takes(",")) this.fail(", or ]");
      values.push(this.literal());
    }
    return values;
  }

  /** Something else stands where the last word was read. */
  fail(expected: string): never {
    const found = /\S{1,20}/u.exec(this.text.slice(this.from, this.from + 50))?.[0] ?? "the end";
    throw this.wrong(this.from, `expected ${expected}, found ${found}`);
  }

  wrong(place: number, what: string): AppError {
    const position = [...this.text.slice(0, place)].length + 1;
    return invalid("filter", `filter is wrong at position ${position}: ${what}.`);
  }

  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined) return null;
    this.at += found.length;
    return found;
  }
}
