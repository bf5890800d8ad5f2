import type { Context, MiddlewareHandler } from "hono";
import type { Logger } from "../observability/logger.js";
import { templateOf } from "../upstream/paths.js";
import type { ReportFailure } from "./errors.js";
import type { HttpEnv, ReadFrom } from "./respond.js";
import { routeName } from "./route-name.js";

/** What may be told of a request once it is answered. No header, query or body is ever among it, and no id in its path. */
export interface FinishedRequest {
  method: string;
  /** The path without its ids, as the log has it. */
  template: string;
  /** The template of the route that it was for, one of a bounded set. */
  route: string;
  status: number;
  /** From its arrival until the answer was ready, or until the end of a stream. */
  ms: number;
  requestId: string;
  /** The name of the key; absent where none was recognised. */
  key: string | undefined;
  /** What the answer was read from, where that is worth telling. */
  readFrom: ReadFrom | undefined;
  /** Of an answer that is written chunk by chunk: it didn't get to its end. */
  isCut: boolean;
}

/**
 * Told of each request that was answered, whether by the app or by the shortcut before it: one writes the log's line, another
 * counts it for `/metrics`. It must not throw and should return soon, since every answer waits for it.
 */
export type RequestObserver = (request: FinishedRequest) => void;

/** Writes one line per request. */
export function createRequestLog(log: Logger): RequestObserver {
  // Nothing in these lines needs redacting, which would cost half as much as the line itself.
  const lines = log.child({}, { redact: [] });
  return ({ method, template, status, ms, requestId, key, isCut }) => {
    // What is undefined isn't logged.
    const entry = {
      method,
      path: template,
      status,
      ms: Math.round(ms * 10) / 10,
      requestId,
      key,
      isCut: isCut || undefined,
    };
    if (status >= 500) lines.warn(entry, "request");
    else lines.info(entry, "request");
  };
}

/** Tells the observer of every request that comes from outside, when its answer is ready, or when it has ended as a stream. */
export function observeRequests(observe: RequestObserver, report: ReportFailure): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    await next();
    if (c.env?.isInProcess) return;
    const streamEnd = c.get("streamEnd");
    if (streamEnd === undefined) return tell(c, false);
    // Not waited for: the answer is on its way only when this has returned.
    void streamEnd.then((how) => {
      if (how.kind === "failed") report(how.error, c.get("requestId"));
      tell(c, how.kind !== "whole");
    });
  };

  function tell(c: Context<HttpEnv>, isCut: boolean): void {
    observe({
      method: c.req.method,
      template: c.get("route")?.template ?? templateOf(c.req.path),
      route: routeName(c),
      status: c.res.status,
      ms: performance.now() - c.get("startedAtMs"),
      requestId: c.get("requestId"),
      key: c.get("principal")?.name,
      readFrom: c.get("readFrom"),
      isCut,
    });
  }
}
