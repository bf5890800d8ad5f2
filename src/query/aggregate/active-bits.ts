import { DAY_MS, isoDay } from "../../lib/days.js";

/**
 * Users as bits, to be laid over `mirror_data.active_days`: 1,024 in a chunk, each at its `user_activity.number`. They are gathered
 * by 64 first: a whole number is passed on as it is, where a string of bits is copied for each user.
 */

/** What is grouped by, of a column with the number. */
export const wordOf = (number: string) => `${number} / 64`;

/** The users of one word. */
export const bitsOfWord = (number: string) => `bit_or(1::bigint << (63 - ${number} % 64))`;

/** The chunk of a word, and its bits there. */
export const chunkOf = (word: string) => `${word} / 16`;
export const bitsOfChunk = (word: string, bits: string) =>
  `bit_or(${bits}::bit(64)::bit(1024) >> (${word} % 16 * 64))`;

export const NO_BITS = "0::bit(1024)";

/**
 * Days that can be: a time of zero is none, and one from long ahead is a mistake of whoever set it. In any zone it is at most tomorrow by
 * UTC. Rows stay when their last user is deleted, so some may be empty.
 */
export const isPossibleDay = (nowMs: number): string =>
  `a.day > date '1970-01-01' and a.day <= date '${isoDay(nowMs + DAY_MS)}'`;

/** The day's first millisecond. */
export const MS_OF_DAY = "(a.day - date '1970-01-01') * 86400000::bigint";
