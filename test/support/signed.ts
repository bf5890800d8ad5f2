import { createHmac } from "node:crypto";
import { WEBHOOK_SECRET } from "./mirror.js";

/** A webhook as Clerk signs it. `body`: an event, or the very text or bytes. */
export function signed(id: string, body: object | string | Buffer): RequestInit {
  const isReady = typeof body === "string" || Buffer.isBuffer(body);
  const bytes = Buffer.from(isReady ? body : JSON.stringify(body));
  const timestamp = String(Math.floor(Date.now() / 1000));
  const key = Buffer.from(WEBHOOK_SECRET.replace("whsec_", ""), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(bytes).digest("base64");
  return {
    method: "POST",
    body: new Uint8Array(bytes),
    headers: { "svix-id": id, "svix-timestamp": timestamp, "svix-signature": `v1,${signature}` },
  };
}

/** What the mirror at this address says to a webhook. */
export async function deliver(url: string, id: string, body: object | string | Buffer): Promise<string> {
  const response = await fetch(`${url}/webhooks/clerk`, signed(id, body));
  return ((await response.json()) as { status: string }).status;
}
