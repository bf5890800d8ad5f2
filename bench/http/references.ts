import { createHash } from "node:crypto";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { Webhook } from "svix";
import { postgres } from "../../src/db/connection/driver.js";

// What the mirror is measured against, each as a process of its own: the least that Hono and postgres.js can do. It
// is started as `references.ts <what> <database url> <webhook secret>` and prints its URL.

const [what = "", databaseUrl = "", secret = ""] = process.argv.slice(2);
const JSON_TYPE = { "content-type": "application/json" };
/** As large as a user. */
const CONSTANT = JSON.stringify({ id: "user_constant", padding: "x".repeat(2600) });

function appOf(): Hono {
  switch (what) {
    case "constant":
      return new Hono().get("*", (c) => c.body(CONSTANT, 200, JSON_TYPE));
    case "select":
      return selecting();
    case "transaction":
      return committing();
    case "verify":
      return verifying();
    default:
      throw new Error(`no such reference: ${what}`);
  }
}

/** One prepared SELECT per request. */
function selecting(): Hono {
  const sql = postgres(databaseUrl, { max: 4, fetch_types: false });
  const text = "select payload from mirror_data.users where id = $1";
  return new Hono().get("/v1/users/:id", async (c) => {
    const [row] = await sql.unsafe(text, [c.req.param("id")], { prepare: true });
    return row ? c.body(row.payload, 200, JSON_TYPE) : c.notFound();
  });
}

interface Event {
  data: {
    id: string;
    updated_at: number;
    last_active_at: number | null;
    first_name: string | null;
    email_addresses: { id: string; email_address: string }[];
  };
}

/** What every handler of webhooks must do: verify the signature, parse the event, print and hash the user in it. */
function verifying(): Hono {
  const webhook = new Webhook(secret);
  return new Hono().post("/webhooks/clerk", async (c) => {
    const raw = await c.req.text();
    const { data } = webhook.verify(raw, c.req.header()) as Event;
    const hash = createHash("sha256").update(JSON.stringify(data)).digest("hex");
    return c.json({ status: hash ? "applied" : "stale" });
  });
}

/**
 * The same duties in one interactive transaction per webhook: it notes the delivery, locks the user, writes it, and
 * where they changed its times, its row under the trigram index and its identifiers, and tells the feed and its
 * listeners.
 */
function committing(): Hono {
  const sql = postgres(databaseUrl, { max: 8, fetch_types: false });
  const webhook = new Webhook(secret);
  return new Hono().post("/webhooks/clerk", async (c) => {
    const raw = await c.req.text();
    const id = c.req.header("svix-id") ?? "";
    webhook.verify(raw, c.req.header());
    const { data } = JSON.parse(raw) as Event;
    await sql.begin(async (tx) => {
      await tx`
        insert into bench.deliveries (message_id, type, user_id, received_at, outcome)
        values (${id}, 'user.updated', ${data.id}, ${Date.now()}::bigint, 'applied') on conflict do nothing`;
      await tx`select updated_at from bench.users where id = ${data.id} for update`;
      await tx`
        update bench.users set payload = ${JSON.stringify(data)}, updated_at = ${data.updated_at}::bigint
        where id = ${data.id}`;
      await tx`
        update bench.user_activity
        set updated_at = ${data.updated_at}::bigint, last_active_at = ${data.last_active_at}::bigint
        where id = ${data.id}`;
      const name = data.first_name?.toLowerCase() ?? null;
      await tx`
        update bench.user_search set first_name_key = ${name},
          search = coalesce(overlay(search placing ${name}::text
            from nullif(position(first_name_key in search), 0) for length(first_name_key)), search)
        where id = ${data.id} and first_name_key is distinct from ${name}`;
      const emails = data.email_addresses.map((one) => one.email_address);
      await tx`
        delete from bench.user_identifiers
        where user_id = ${data.id} and kind = 'email' and value <> all(${`{${emails.join(",")}}`}::text::text[])`;
      for (const value of emails) {
        await tx`
          insert into bench.user_identifiers (user_id, kind, value, folded, is_primary)
          values (${data.id}, 'email', ${value}, ${value.toLowerCase()}, true) on conflict do nothing`;
      }
      await tx`
        insert into bench.changes (type, id, version, at)
        values ('user.upserted', ${data.id}, ${data.updated_at}::bigint, ${Date.now()}::bigint)`;
      await tx`select pg_notify('bench_changes', ${data.id})`;
    });
    return c.json({ status: "applied" });
  });
}

serve({ fetch: appOf().fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => {
  console.log(`http://127.0.0.1:${port}`);
});
