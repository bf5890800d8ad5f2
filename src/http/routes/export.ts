import type { Context } from "hono";
import type { ExportFormat, ExportUsers } from "../../query/export.js";
import type { UserQuery } from "../../query/language/request.js";
import { wantedType } from "../accept.js";
import { viewOf } from "../asker.js";
import type { HttpEnv } from "../respond.js";
import { respondStream } from "../respond-stream.js";
import type { StreamUsers } from "./user-queries.js";

export interface ExportDeps {
  exportUsers: ExportUsers;
  /** Where who follows the changes goes on from, behind everything that is committed now. */
  changesCursor: () => Promise<string>;
}

const TYPES: Record<ExportFormat, string> = {
  ndjson: "application/x-ndjson",
  csv: "text/csv; charset=utf-8; header=present",
};

/** A chunk of 200 users that isn't read within this time is that of a client who doesn't get on. */
const CHUNK_MS = 60_000;

/**
 * Sends the whole result of a query if the caller accepts it as a stream. Order, pages and counts of the query don't matter then.
 * The cursor is read before the first user: a copy and the changes behind it miss nothing.
 */
export function createStreamUsers({ exportUsers, changesCursor }: ExportDeps): StreamUsers {
  async function stream(
    c: Context<HttpEnv>,
    { filter, fields, nowMs }: UserQuery,
    format: ExportFormat,
  ): Promise<Response> {
    const headers = { "content-type": TYPES[format], "x-mirror-changes-cursor": await changesCursor() };
    const { name: key } = c.get("principal");
    const view = viewOf(c);
    const chunks = (signal: AbortSignal) =>
      exportUsers({ filter, fields, format, nowMs }, view, { key, signal });
    return respondStream(c, chunks, headers, { chunkMs: CHUNK_MS });
  }

  return (c, query) => {
    switch (wantedType(c, ["application/json", "application/x-ndjson", "text/csv"])) {
      case "application/x-ndjson":
        return stream(c, query, "ndjson");
      case "text/csv":
        return stream(c, query, "csv");
      default:
        return null;
    }
  };
}
