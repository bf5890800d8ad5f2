import { invalid } from "./clerk-params.js";

/** A place in a list that is ordered by time of creation and id. */
export interface CreatedPlace {
  createdAtMs: number;
  id: string;
}

/** What a reader of such a list is given to go on from. */
export const placeText = ({ createdAtMs, id }: CreatedPlace): string =>
  Buffer.from(`${createdAtMs}.${id}`).toString("base64url");

/** Throws `invalid_request` for a text that isn't one. */
export function parsePlace(text: string): CreatedPlace {
  const [, createdAt, id = ""] = CONTENT.exec(Buffer.from(text, "base64url").toString("utf8")) ?? [];
  const place = { createdAtMs: Number(createdAt), id };
  if (placeText(place) === text) return place;
  throw invalid("cursor", "cursor must be a cursor that the mirror has given out.");
}

const CONTENT = /^(-?\d{1,16})\.([\x20-\x7e]{1,200})$/;
