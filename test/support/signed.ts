import { Webhook } from "svix";
import { WEBHOOK_SECRET } from "./mirror.js";

/** A webhook as Clerk signs it. `body`: an event, or the very text. */
function signed(id: string, body: object | string): RequestInit {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const at = new Date();
  return {
    method: "POST",
    body: text,
    headers: {
      "svix-id": id,
      "svix-timestamp": String(Math.floor(at.getTime() / 1000)),
      "svix-signature": new Webhook(WEBHOOK_SECRET).sign(id, at, text),
    },
  };
}

/** What the mirror at this address says to a webhook. */
export async function deliver(url: string, id: string, body: object | string): Promise<string> {
  const response = await fetch(`${url}/webhooks/clerk`, signed(id, body));
  return ((await response.json()) as { status: string }).status;
}
