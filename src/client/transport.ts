import { errorOfAnswer, MirrorError } from "./errors.js";
import { backoffMs, type Watch, wait, watch } from "./waiting.js";

export interface TransportOptions {
  baseUrl: string | URL;
  apiKey: string;
  /** Your own, for tests, proxies, or certificates. The default is the global one. */
  fetch?: typeof fetch;
  /** How long an answer, or the next piece of a stream, may take. The default is 30,000 ms. */
  timeoutMs?: number;
  /** How often a request is sent again that the mirror couldn't take just then. The default is 2; 0: never. */
  retries?: number;
}

export interface MirrorRequest {
  method: "GET" | "POST";
  /** With its query string. */
  path: string;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
}

/** Sends requests. All reject with `MirrorError`, or with the reason of the caller's signal. */
export interface Transport {
  json(request: MirrorRequest): Promise<Record<string, unknown>>;
  /** Text as it comes, and the headers that came before it. What is cut rejects: a stream that ends is complete. */
  stream(request: MirrorRequest, idleMs?: number): Promise<TextStream>;
  timeoutMs: number;
}

export interface TextStream {
  headers: Headers;
  text: AsyncGenerator<string, void, undefined>;
}

/** What passes by itself. */
const PASSING: ReadonlySet<number> = new Set([0, 429, 502, 503, 504]);

export const isPassing = (error: unknown): error is MirrorError =>
  error instanceof MirrorError && PASSING.has(error.status);

export function createTransport(options: TransportOptions): Transport {
  const { baseUrl, apiKey, timeoutMs = 30_000, retries = 2 } = options;
  const base = String(baseUrl).replace(/\/+$/, "");
  // Looked up at each call, so that what replaces the global one later is used.
  const send: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));

  async function attempt(request: MirrorRequest, { signal, sign }: Watch): Promise<Response> {
    const { method, path, body } = request;
    const headers: Record<string, string> = { authorization: `Bearer ${apiKey}`, ...request.headers };
    if (body !== undefined) headers["content-type"] = "application/json";
    const init = { method, headers, signal, ...(body !== undefined && { body: JSON.stringify(body) }) };
    const answer = await send(`${base}${path}`, init);
    sign();
    if (!answer.ok) throw await errorOfAnswer(answer);
    return answer;
  }

  /** Until `use` has what it wants of the answer. All that is sent only reads, so it can be sent again. */
  async function withRetries<T>(
    request: MirrorRequest,
    limitMs: number,
    use: (answer: Response, watched: Watch) => Promise<T>,
  ): Promise<T> {
    for (let tried = 0; ; tried++) {
      const watched = watch(limitMs, request.signal);
      try {
        return await use(await attempt(request, watched), watched);
      } catch (failure) {
        watched.end();
        request.signal?.throwIfAborted();
        const error = asMirrorError(watched.signal.aborted ? watched.signal.reason : failure);
        if (tried >= retries || !isPassing(error)) throw error;
        await wait(pauseMs(error, tried), request.signal);
      }
    }
  }

  return {
    timeoutMs,
    json: (request) =>
      withRetries(request, timeoutMs, async (answer, watched) => {
        const value: unknown = await answer.json();
        watched.end();
        return value as Record<string, unknown>;
      }),
    stream: (request, idleMs = timeoutMs) =>
      withRetries(request, idleMs, async (answer, watched) => ({
        headers: answer.headers,
        text: textOf(answer, watched, request.signal),
      })),
  };
}

async function* textOf(
  answer: Response,
  watched: Watch,
  outer: AbortSignal | undefined,
): AsyncGenerator<string, void, undefined> {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      watched.sign();
      if (done || !value) return;
      const text = decoder.decode(value, { stream: true });
      if (text !== "") yield text;
      // However long the reader of these took, that wasn't the mirror's time.
      watched.sign();
    }
  } catch (failure) {
    outer?.throwIfAborted();
    const cause = watched.signal.aborted ? watched.signal.reason : failure;
    if (cause instanceof MirrorError) throw cause;
    throw new MirrorError("The stream was cut before its end.", { status: 0, code: "stream_cut", cause });
  } finally {
    watched.end();
    // Whoever stops reading early lets go of the connection.
    void reader?.cancel().catch(() => {});
  }
}

export function pauseMs(error: MirrorError, tried: number): number {
  return error.retryAfter === null ? backoffMs(tried) : Math.min(60, error.retryAfter) * 1000 + backoffMs(0);
}

function asMirrorError(failure: unknown): MirrorError {
  if (failure instanceof MirrorError) return failure;
  const reason = failure instanceof Error ? failure.message : String(failure);
  return new MirrorError(`The mirror can't be reached: ${reason}`, {
    status: 0,
    code: "network_error",
    cause: failure,
  });
}
