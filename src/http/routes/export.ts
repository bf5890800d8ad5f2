import type { Context } from "hono";
import type { Condition } from "../../query/condition.js";
import type { ExportFormat, ExportUsers } from "../../query/export.js";
import type { Projected } from "../../query/field.js";
import { wantedType } from "../accept.js";
import type { HttpEnv } from "../respond.js";
import { respondStream } from "../respond-stream.js";

export interface ExportDeps {
  exportUsers: ExportUsers;
  /** Where who follows the changes goes on from, behind everything that is committed now. */
  changesCursor: () => Promise<string>;
}

/** A query of which an export takes what it can: it has no order, no pages, and no count. */
export interface Exported {
  filter: Condition;
  fields: readonly Projected[] | null;
  nowMs: number;
}

const TYPES: Record<ExportFormat, string> = {
  ndjson: "application/x-ndjson",
  csv: "text/csv; charset=utf-8; header=present",
};

/** A chunk of 200 users that isn't read within this time is that of a client who doesn't get on. */
const CHUNK_MS = 60_000;

/** How the caller wants all users at once; null: as a page of JSON. */
export function exportFormatOf(c: Context<HttpEnv>): ExportFormat | null {
  switch (wantedType(c, ["application/json", "application/x-ndjson", "text/csv"])) {
    case "application/x-ndjson":
      return "ndjson";
    case "text/csv":
      return "csv";
    default:
      return null;
  }
}

/** The whole result as a stream. The cursor is read before the first user: a copy and the changes behind it miss nothing. */
export async function respondExport(
  c: Context<HttpEnv>,
  { exportUsers, changesCursor }: ExportDeps,
  { filter, fields, nowMs }: Exported,
  format: ExportFormat,
): Promise<Response> {
  const { name: key, scopes } = c.get("principal");
  const view = { privateMetadata: scopes.has("private_metadata:read") };
  const headers = { "content-type": TYPES[format], "x-mirror-changes-cursor": await changesCursor() };
  const chunks = (signal: AbortSignal) =>
    exportUsers({ filter, fields, format, nowMs }, view, { key, signal });
  return respondStream(c, chunks, headers, { chunkMs: CHUNK_MS });
}
