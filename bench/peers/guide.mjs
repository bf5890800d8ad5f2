import { eq } from "drizzle-orm";
import { index, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import { drizzle } from "drizzle-orm/postgres-js";
import express from "express";
import postgres from "postgres";
import { Webhook } from "svix";

// The handler that Clerk's guide describes ("Sync Clerk data to your app with webhooks"): verify with Svix, then write the
// columns one needs. Started as `guide.mjs <database url> <signing secret> <connections>`; prints its URL.

const [databaseUrl = "", secret = "", connections = ""] = process.argv.slice(2);

const time = (name) => timestamp(name, { withTimezone: true });

const users = pgTable(
  "users",
  {
    id: text("id").primaryKey(),
    email: text("email"),
    username: text("username"),
    firstName: text("first_name"),
    lastName: text("last_name"),
    imageUrl: text("image_url"),
    lastSignInAt: time("last_sign_in_at"),
    createdAt: time("created_at").notNull(),
    updatedAt: time("updated_at").notNull(),
  },
  (table) => [index("users_email").on(table.email)],
);

const sql = postgres(databaseUrl, { max: Number(connections) });
const db = drizzle(sql);
// What drizzle-kit generates for the table above.
await sql`
  create table users (
    id text primary key, email text, username text, first_name text, last_name text, image_url text,
    last_sign_in_at timestamptz, created_at timestamptz not null, updated_at timestamptz not null
  )`;
await sql`create index users_email on users (email)`;

const webhook = new Webhook(secret);
const app = express();

app.post("/webhooks/clerk", express.raw({ type: "application/json" }), async (request, response) => {
  let event;
  try {
    event = webhook.verify(request.body.toString(), request.headers);
  } catch {
    response.status(400).send("Error verifying webhook");
    return;
  }
  switch (event.type) {
    case "user.created":
    case "user.updated": {
      const { id, ...columns } = columnsOf(event.data);
      await db
        .insert(users)
        .values({ id, ...columns })
        .onConflictDoUpdate({ target: users.id, set: columns });
      break;
    }
    case "user.deleted":
      await db.delete(users).where(eq(users.id, event.data.id));
      break;
  }
  response.send("Webhook received");
});

function columnsOf(user) {
  const primary = user.email_addresses.find(({ id }) => id === user.primary_email_address_id);
  return {
    id: user.id,
    email: primary?.email_address ?? null,
    username: user.username,
    firstName: user.first_name,
    lastName: user.last_name,
    imageUrl: user.image_url,
    lastSignInAt: user.last_sign_in_at === null ? null : new Date(user.last_sign_in_at),
    createdAt: new Date(user.created_at),
    updatedAt: new Date(user.updated_at),
  };
}

const server = app.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
