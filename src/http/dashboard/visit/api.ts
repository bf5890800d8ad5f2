import type { ServerResponse } from "node:http";
import { leavingOf } from "../../asker.js";
import type { HttpEnv } from "../../respond.js";

/** Sends a request to the mirror's own routes, in this process. */
export type AskApp = (request: Request, env: HttpEnv["Bindings"]) => Response | Promise<Response>;

export interface Answer<T> {
  status: number;
  isOk: boolean;
  body: T;
  /** What the route says is wrong. Null where nothing is. */
  problem: string | null;
  /** The parameter that it names. */
  param: string | null;
}

/**
 * The mirror's API with the visitor's key: whatever a page shows or does goes through the routes that everybody uses, so that their
 * scopes, limits and errors hold here too.
 */
export interface Api {
  // biome-ignore lint/suspicious/noExplicitAny: pages know the shape of what they ask for
  get<T = any>(path: string, headers?: Record<string, string>): Promise<Answer<T>>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  send<T = any>(
    method: "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
  ): Promise<Answer<T>>;
  /** The answer itself, for what is streamed. */
  raw(
    path: string,
    init?: { method?: string; body?: string; headers?: Record<string, string> },
  ): Promise<Response>;
}

/** No address of this kind is ever asked: the request doesn't leave the process. */
const ORIGIN = "http://mirror.internal";

/** What is asked is given up when the visitor has left. */
export function createApi(
  ask: AskApp,
  { key, requestId, outgoing }: { key: string; requestId: string; outgoing: ServerResponse | undefined },
): Api {
  const env = { isInProcess: true, ...(outgoing && { leaving: leavingOf(outgoing) }) } as const;
  const raw: Api["raw"] = async (path, { method = "GET", body, headers = {} } = {}) => {
    const request = new Request(`${ORIGIN}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        // By it the lines that these questions leave in the log are found from the page's own.
        "x-request-id": requestId,
        // What is forwarded to Clerk has a body only where its length is told.
        ...(body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    return ask(request, env);
  };
  return {
    raw,
    get: async (path, headers = {}) => answerOf(await raw(path, { headers })),
    send: async (method, path, body) =>
      answerOf(await raw(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })),
  };
}

async function answerOf<T>(response: Response): Promise<Answer<T>> {
  const text = await response.text();
  let body: unknown = null;
  try {
    body = text === "" ? null : JSON.parse(text);
  } catch {
    // Whatever isn't JSON says nothing that a page could show.
  }
  const error = (
    body as { errors?: { message: string; long_message?: string; meta?: { param_name?: string } }[] } | null
  )?.errors?.[0];
  return {
    status: response.status,
    isOk: response.ok,
    body: body as T,
    problem: response.ok
      ? null
      : (error?.long_message ?? error?.message ?? `The answer was ${response.status}.`),
    param: error?.meta?.param_name ?? null,
  };
}

/** The status of a page that shows what was refused. */
export function statusOf({ status }: Pick<Answer<unknown>, "status">): 403 | 404 | 422 | 429 | 502 | 503 {
  switch (status) {
    case 403:
    case 404:
    case 429:
    case 503:
      return status;
    default:
      return status < 500 ? 422 : 502;
  }
}
