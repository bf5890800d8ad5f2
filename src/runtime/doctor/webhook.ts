import { createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Config } from "../../config.js";
import { createWebhookReceiver } from "../../http/webhook-receiver.js";
import { reasonOf } from "../../lib/errors.js";
import { clerkErrorOf, failedToConnect } from "../../upstream/errors.js";
import { check, type Finding, type Found, failed, ok, skipped } from "./check.js";

export interface WebhookOptions {
  /** Where the mirror is reached from outside. Null: at HOST and PORT. */
  url: string | null;
}

const PATH = "/webhooks/clerk";

/**
 * Signs an event as Clerk does, with each secret, and sends it to the mirror that runs, or to a receiver of this process where none
 * does. The event is of a type that the mirror ignores.
 */
export async function checkWebhook(
  { clerk, server }: Pick<Config, "clerk" | "server">,
  { url }: WebhookOptions,
): Promise<Finding[]> {
  const { webhookSecrets: secrets } = clerk;
  if (secrets.length === 0) {
    const none = skipped(
      "CLERK_WEBHOOK_SIGNING_SECRET is not set: changes arrive with the next check. Add an endpoint for /webhooks/clerk in Clerk's dashboard to have them at once",
    );
    return [{ name: "webhook", ...none }];
  }
  const found: Finding[] = [];
  for (const [n, secret] of secrets.entries()) {
    const name = secrets.length === 1 ? "webhook" : `webhook, secret ${n + 1}`;
    const at = url ?? addressOf(server);
    found.push(await check(name, (signal) => send(at, { secret, clerk, isGiven: url !== null }, signal)));
  }
  return found;
}

/** An address that leads to a server that listens there. Null: on any free port. */
function addressOf({ host, port }: { host: string; port: number }): string | null {
  if (port === 0) return null;
  const name = host === "0.0.0.0" || host === "" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
}

interface Sending {
  secret: string;
  clerk: Config["clerk"];
  isGiven: boolean;
}

async function send(address: string | null, sending: Sending, signal: AbortSignal): Promise<Found> {
  if (address === null) return sendToOurselves(sending, signal);
  let response: Response;
  try {
    response = await post(`${address.replace(/\/+$/, "")}${PATH}`, sending, signal);
  } catch (error) {
    if (failedToConnect(error) && !sending.isGiven) return sendToOurselves(sending, signal, address);
    return failed(
      `${address} can't be reached: ${reasonOf(error)}`,
      "Start the mirror, or mend the address.",
    );
  }
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status === 200 && /"status"\s*:\s*"ignored"/.test(body.toString("utf8"))) {
    return ok(`the mirror at ${address} takes events that are signed with it`);
  }
  const said = clerkErrorOf(body).message ?? "no reason given";
  return failed(`${address}${PATH} answers ${response.status}: ${said}`, fixOf(response.status));
}

function fixOf(status: number): string {
  if (status === 400) {
    return "Give the mirror that runs the same CLERK_WEBHOOK_SIGNING_SECRET and CLERK_INSTANCE_ID as this command, and look at the clocks.";
  }
  if (status === 503)
    return "The mirror that runs has no signing secret, or its database is away: restart it with the secret.";
  return "Something else than the mirror listens there: mend HOST and PORT, or the path on the way (--url).";
}

/** The whole way within this process: HTTP on the loopback interface, and the receiver of the server. */
async function sendToOurselves(sending: Sending, signal: AbortSignal, nobodyAt?: string): Promise<Found> {
  const receiver = createWebhookReceiver({
    secrets: sending.clerk.webhookSecrets,
    ingest: { receive: async () => ({ status: "ignored", version: null }) },
  });
  const server = createServer((incoming, outgoing) => void answer(incoming, outgoing));
  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    try {
      const header = (name: string) => incoming.headers[name] as string | undefined;
      await receiver.receive({ header, body: incoming });
      outgoing.end();
    } catch (error) {
      outgoing.writeHead(400).end(reasonOf(error));
    }
  }
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { port } = server.address() as AddressInfo;
    const response = await post(`http://127.0.0.1:${port}${PATH}`, sending, signal);
    const without = nobodyAt ? `no mirror runs at ${nobodyAt}` : "PORT is 0";
    if (response.status === 200) {
      return ok(
        `a receiver of this command's own takes events that are signed with it; ${without}: repeat it beside one, or with --url`,
      );
    }
    return failed(
      `the receiver refuses its own signature: ${await response.text()}`,
      "Copy the signing secret again.",
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function post(url: string, { secret, clerk }: Sending, signal: AbortSignal): Promise<Response> {
  const body = JSON.stringify({
    ...{ type: "user_mirror.doctor", object: "event", data: {}, timestamp: Date.now() },
    ...(clerk.instanceId && { instance_id: clerk.instanceId }),
  });
  const id = `msg_doctor_${randomUUID()}`;
  const timestamp = String(Math.floor(Date.now() / 1000));
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  return fetch(url, {
    method: "POST",
    body,
    headers: {
      "content-type": "application/json",
      ...{ "svix-id": id, "svix-timestamp": timestamp, "svix-signature": `v1,${signature}` },
    },
    redirect: "manual",
    signal,
  });
}
