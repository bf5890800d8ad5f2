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

/**
 * Takes the place of what is cut out, and a character behind it tells what that is: the index in `TIMES`, or `PRIVATE`. It is
 * random, so no user can have written it anywhere.
 */
const MARK = randomUUID();
const PRIVATE = "p";
const PRIVATE_NAME = '"private_metadata":';

/**
 * Keeps the order of keys. The object must come from JSON and have at least one other member; `id` always is one. The object
 * is printed once and split at the marks: printing member by member takes half as long again and leaves more garbage.
 * `timesApart`: cuts out the times too, if each of them is replaceable or missing.
 */
export function splitUser(user: Record<string, unknown>, { timesApart }: { timesApart: boolean }): UserText {
  const hasPrivate = user.private_metadata !== undefined;
  const cutsTimes = timesApart && hasReplaceableTimes(user);
  if (!hasPrivate && !cutsTimes) {
    return { payload: JSON.stringify(user), privateMetadata: null, privatePlace: null, timePlaces: null };
  }
  const marked = { ...user };
  if (hasPrivate) marked.private_metadata = MARK + PRIVATE;
  if (cutsTimes)
    for (const [n, name] of TIMES.entries()) if (isReplaceable(user[name])) marked[name] = MARK + n;
  const pieces = JSON.stringify(marked).split(`"${MARK}`);

  let [payload, bytes] = ["", 0];
  let privatePlace: number | null = null;
  const places = ["", "", ""];
  let what = "";
  for (const [n, piece] of pieces.entries()) {
    // What was cut out before the piece has left its character and a quote there.
    let from = n === 0 ? 0 : 2;
    let to = piece.length;
    // One of the commas around the private metadata is cut out too.
    if (what === PRIVATE && payload === "{") from++;
    what = pieces[n + 1]?.charAt(0) ?? "";
    if (what === PRIVATE) to -= PRIVATE_NAME.length + (piece.endsWith(`,${PRIVATE_NAME}`) ? 1 : 0);
    const kept = piece.slice(from, to);
    payload += kept;
    bytes += Buffer.byteLength(kept);
    if (what === PRIVATE) privatePlace = bytes;
    else if (what !== "") {
      places[Number(what)] = String(bytes);
      payload += PLACEHOLDER;
      bytes += PLACEHOLDER.length;
    }
  }
  return {
    payload,
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
