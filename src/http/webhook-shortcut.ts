import type { IncomingMessage } from "node:http";
import { headersOf, requestIdFor } from "./middleware.js";
import type { RequestObserver } from "./request-observer.js";
import { JSON_TYPE } from "./respond.js";
import { oneOf, type Shortcut } from "./shortcut.js";
import type { WebhookReceiver } from "./webhook-receiver.js";

/** The route to which Clerk sends its events. */
export const WEBHOOK_PATH = "/webhooks/clerk";

/** What the app must know of a webhook that the shortcut couldn't take. */
export interface Refused {
  error: unknown;
  startedAtMs: number;
}

const refused = new WeakMap<IncomingMessage, Refused>();

/** Why the shortcut couldn't take this webhook, so that it isn't received a second time; undefined: it didn't try to. */
export const refusedBefore = (incoming: IncomingMessage | undefined): Refused | undefined =>
  incoming && refused.get(incoming);

/** What @hono/node-server takes as it is. Any other host may make the request unreadable, which the server says behind the shortcut. */
const PLAIN_HOST = /^[a-z0-9._-]+(?::(?:[1-5]\d{3,4}|[6-9]\d{3}))?$/;

/**
 * Takes webhooks exactly as the app does, but without its router, its middleware and its objects for request and response.
 * What can't be committed is left to the app, which says why.
 */
export function createWebhookShortcut(deps: {
  observe: RequestObserver;
  webhooks: WebhookReceiver;
}): Shortcut {
  const { observe, webhooks } = deps;

  return (incoming, outgoing, otherwise) => {
    const { method, url, headers } = incoming;
    if (method !== "POST" || url !== WEBHOOK_PATH || !PLAIN_HOST.test(headers.host ?? "")) {
      otherwise();
      return;
    }
    const startedAtMs = performance.now();
    const requestId = requestIdFor(oneOf(headers["x-request-id"]));
    webhooks.receive({ header: (name) => oneOf(headers[name]), body: incoming }).then(
      ({ status, version }) => {
        const body = JSON.stringify({ status });
        const answer = headersOf(requestId);
        if (version !== null) answer["x-mirror-version"] = version;
        answer["content-type"] = JSON_TYPE["content-type"];
        answer["content-length"] = String(body.length);
        observe({
          method,
          template: WEBHOOK_PATH,
          route: WEBHOOK_PATH,
          status: 200,
          ms: performance.now() - startedAtMs,
          requestId,
          key: undefined,
          readFrom: undefined,
          isCut: false,
        });
        outgoing.writeHead(200, answer).end(body);
      },
      (error) => {
        refused.set(incoming, { error, startedAtMs });
        otherwise();
      },
    );
  };
}
