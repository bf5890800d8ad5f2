import { randomUUID } from "node:crypto";

/**
 * A user's JSON as it is stored: one text without what changes by itself or isn't for everybody, and the places of that in
 * bytes of UTF-8. So a visit doesn't write the text again, and showing the user needs no parsing.
 */
export interface UserText {
  payload: string;
  /** The JSON of `private_metadata`. `privatePlace` is its place; both are null when the user has no such member. */
  privateMetadata: string | null;
  privatePlace: number | null;
  /**
   * The places of `TIMES`, separated by commas; nothing between them for a time that the user doesn't have. At each place stand
   * 13 digits that mean nothing. Null: the times are in the text.
   */
  timePlaces: string | null;
}

/** The members that a visit changes. */
export const TIMES = ["updated_at", "last_active_at", "last_sign_in_at"] as const;

/** As long as every time in milliseconds from 2001 to 2286. */
const PLACEHOLDER = "1000000000000";

/** Whether a time can stand in the place of another. */
export const isReplaceable = (time: unknown): time is number =>
  typeof time === "number" && time >= 1e12 && time < 1e13 && Number.isInteger(time);

/** Takes the place of what is cut out. It is random, so no user can have written it anywhere. */
const MARK = randomUUID();
const markOf = (member: string) => `"${MARK} ${member}"`;
const PRIVATE = `"private_metadata":${markOf("private_metadata")}`;
const TIME_MARKS = TIMES.map(markOf);

type Cut = { at: number; length: number; time: number | null };

/**
 * Keeps the order of keys. The object must come from JSON and have at least one other member; `id` always is one. The object
 * is printed once and cut at the marks: printing member by member takes half as long again and leaves more garbage.
 * `timesApart`: cuts out the times too, if each of them is replaceable or missing.
 */
export function splitUser(user: Record<string, unknown>, { timesApart }: { timesApart: boolean }): UserText {
  const hasPrivate = user.private_metadata !== undefined;
  const cutsTimes = timesApart && hasReplaceableTimes(user);
  if (!hasPrivate && !cutsTimes) {
    return { payload: JSON.stringify(user), privateMetadata: null, privatePlace: null, timePlaces: null };
  }
  const marked = { ...user };
  if (hasPrivate) marked.private_metadata = `${MARK} private_metadata`;
  if (cutsTimes) for (const name of TIMES) if (isReplaceable(user[name])) marked[name] = `${MARK} ${name}`;
  const text = JSON.stringify(marked);

  const cuts: Cut[] = [];
  if (hasPrivate) {
    const at = text.indexOf(PRIVATE);
    // One of the commas around it is cut out too.
    cuts.push({ at: at === 1 ? 1 : at - 1, length: PRIVATE.length + 1, time: null });
  }
  if (cutsTimes) {
    for (const [time, mark] of TIME_MARKS.entries()) {
      const at = text.indexOf(mark);
      if (at !== -1) cuts.push({ at, length: mark.length, time });
    }
    cuts.sort((one, other) => one.at - other.at);
  }

  let [payload, bytes, end] = ["", 0, 0];
  let privatePlace: number | null = null;
  const places = TIMES.map(() => "");
  for (const { at, length, time } of cuts) {
    const before = text.slice(end, at);
    bytes += Buffer.byteLength(before);
    payload += before;
    if (time === null) privatePlace = bytes;
    else {
      places[time] = String(bytes);
      payload += PLACEHOLDER;
      bytes += PLACEHOLDER.length;
    }
    end = at + length;
  }
  return {
    payload: payload + text.slice(end),
    privateMetadata: hasPrivate ? JSON.stringify(user.private_metadata) : null,
    privatePlace,
    timePlaces: cutsTimes ? places.join(",") : null,
  };
}

const hasReplaceableTimes = (user: Record<string, unknown>) =>
  isReplaceable(user.updated_at) &&
  TIMES.every((name) => isReplaceable(user[name]) || user[name] === null || user[name] === undefined);

/**
 * Writes the times, each as its digits, to their places in a payload. The bytes are changed where they are: they must belong to
 * nobody else.
 */
export function putTimes(payload: Buffer, timePlaces: string, times: readonly (Uint8Array | null)[]): void {
  const places = timePlaces.split(",");
  for (const [n, time] of times.entries()) if (places[n] && time) payload.set(time, Number(places[n]));
}

/** The whole JSON again, in pieces to be joined. `privateMetadata` is the JSON to show: `null` for who may not read it. */
export function splicePrivateMetadata(
  payload: Buffer,
  privatePlace: number | null,
  privateMetadata: Buffer,
): Buffer[] {
  if (privatePlace === null) return [payload];
  const [before, after] = privatePlace === 1 ? [MEMBER, COMMA] : [COMMA_MEMBER, NOTHING];
  return [payload.subarray(0, privatePlace), before, privateMetadata, after, payload.subarray(privatePlace)];
}

const MEMBER = Buffer.from('"private_metadata":');
const COMMA_MEMBER = Buffer.from(',"private_metadata":');
const COMMA = Buffer.from(",");
const NOTHING = Buffer.alloc(0);
