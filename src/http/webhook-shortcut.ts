import type { IncomingMessage } from "node:http";
import { atEndOfTurn } from "./end-of-turn.js";
import { headersOf, requestIdFor } from "./middleware.js";
import type { RequestObserver } from "./request-observer.js";
import { JSON_TYPE } from "./respond.js";
import type { Shortcut } from "./shortcut.js";
import { WEBHOOK_PATH, type WebhookReceiver } from "./webhook-receiver.js";

export interface WebhookShortcutDeps {
  observe: RequestObserver;
  webhooks: WebhookReceiver;
}

/**
 * Takes webhooks as their route does, but without its router, its middleware and its objects for request and response.
 * One that isn't taken is left to the app with the reason, so that refusals and failures are answered and logged in one
 * place.
 */
export function createWebhookShortcut({ observe, webhooks }: WebhookShortcutDeps): Shortcut {
  return (incoming, outgoing, otherwise) => {
    if (incoming.method !== "POST" || incoming.url !== WEBHOOK_PATH) {
      otherwise();
      return;
    }
    const startedAtMs = performance.now();
    const header = headerOf(incoming);
    webhooks.receive({ header, incoming, arrayBuffer: noServer }).then(
      ({ status, version }) => {
        const requestId = requestIdFor(header("x-request-id"));
        const body = JSON.stringify({ status });
        const headers = headersOf(requestId);
        if (version !== null) headers["x-mirror-version"] = version;
        headers["content-type"] = JSON_TYPE["content-type"];
        headers["content-length"] = String(body.length);
        atEndOfTurn(() => outgoing.writeHead(200, headers).end(body));
        const ms = performance.now() - startedAtMs;
        observe({
          ...{ method: "POST", template: WEBHOOK_PATH, status: 200, ms, requestId },
          ...{ key: undefined, readFrom: undefined, isCut: false },
        });
      },
      (failure) => otherwise({ startedAtMs, failure }),
    );
  };
}

/** Node joins what was sent twice, so that only cookies are lists. */
const headerOf =
  ({ headers }: IncomingMessage) =>
  (name: string) =>
    headers[name] as string | undefined;

const noServer = () => Promise.reject(new Error("A request of Node's has its own body."));
