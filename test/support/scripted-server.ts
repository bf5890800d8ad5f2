import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ScriptedRequest {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: unknown;
}

/** Answers one request. */
export type Answer = (response: ServerResponse, request: ScriptedRequest) => void;

export interface ScriptedServer {
  url: string;
  requests: ScriptedRequest[];
  close(): Promise<void>;
}

/** A server on loopback that gives these answers, one a request, and the last one to all that follow. */
export async function startScriptedServer(answers: readonly Answer[]): Promise<ScriptedServer> {
  const requests: ScriptedRequest[] = [];
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const text = String(Buffer.concat(chunks));
    const request = {
      ...{ method: incoming.method ?? "", url: incoming.url ?? "", headers: incoming.headers },
      body: text === "" ? null : JSON.parse(text),
    };
    const answer = answers[Math.min(requests.push(request), answers.length) - 1];
    answer?.(response, request);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export const json =
  (value: unknown, status = 200, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));

/** What is written, then the end, or a cut connection. */
export const stream =
  (
    pieces: readonly string[],
    { end = true, headers = {} }: { end?: boolean; headers?: Record<string, string> } = {},
  ): Answer =>
  (response) => {
    response.writeHead(200, headers);
    for (const piece of pieces) response.write(piece);
    if (end) response.end();
    else setImmediate(() => response.destroy());
  };
