import type { Random } from "../../src/sandbox/world/random.js";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PAIRS = Array.from(ALPHABET, (one) => Array.from(ALPHABET, (other) => one + other)).flat();

/**
 * The generator sfc32, seeded with `n` and `kind`, so that no two people get the same numbers. The sandbox's
 * generator repeats another seed's numbers after a few million seeds, and strangers must stay strangers.
 */
export function randomOf(n: number, kind = 0): Random {
  let a = n | 0;
  let b = kind | 0;
  let c = 0x1f83d9ab;
  let counter = 1;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };
  for (let round = 0; round < 12; round++) next();
  const int = (below: number) => Math.floor(next() * below);
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    pick: (values) => values[int(values.length)] ?? values[0],
    token: (length) =>
      repeated(length, () => {
        const four = int(62 ** 4);
        return `${PAIRS[four % 3844]}${PAIRS[Math.floor(four / 3844)]}`;
      }),
  };
}

export const digits = (random: Random, length: number) =>
  repeated(length, () => String(random.int(1e9)).padStart(9, "0"));

export const hex = (random: Random, length: number) =>
  repeated(length, () =>
    random
      .int(2 ** 32)
      .toString(16)
      .padStart(8, "0"),
  );

function repeated(length: number, more: () => string): string {
  let text = "";
  while (text.length < length) text += more();
  return text.slice(0, length);
}
