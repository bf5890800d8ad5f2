/**
 * A copy of all users in SQLite that follows: for edge machines, reports, and whatever has to go on without the network.
 *
 *     npm install libsql
 *     MIRROR_URL=http://127.0.0.1:8787 MIRROR_API_KEY=um_… npx tsx examples/sqlite-copy.ts users.sqlite
 *
 * It copies once, then follows until it is stopped; started again, it goes on where it was. The key needs the scopes users:read
 * and changes:read.
 */
import Database from "libsql";
import { createMirrorClient, type User } from "user-mirror/client";

const { MIRROR_URL = "http://127.0.0.1:8787", MIRROR_API_KEY = "" } = process.env;
const db = new Database(process.argv[2] ?? "users.sqlite");
db.exec(`
  create table if not exists users (id text primary key, email text, plan text, last_active_at integer, data text not null);
  create table if not exists cursor (one integer primary key check (one = 1), cursor text not null)`);

const insert = db.prepare("insert or replace into users values (?, ?, ?, ?, ?)");
const remove = db.prepare("delete from users where id = ?");
const known = db.prepare("select cursor, (select count(*) from users) as n from cursor");
const keep = db.prepare(
  "insert into cursor values (1, ?) on conflict (one) do update set cursor = excluded.cursor",
);
const begin = () => db.inTransaction || db.exec("begin");

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stop.abort(new Error("stopped")));

const emailOf = (user: User) =>
  user.email_addresses.find(({ id }) => id === user.primary_email_address_id)?.email_address ?? null;

const mirror = createMirrorClient({ baseUrl: MIRROR_URL, apiKey: MIRROR_API_KEY });
const following = mirror.follow({
  signal: stop.signal,
  store: {
    load: async () => (known.get() as { cursor: string } | undefined)?.cursor ?? null,
    async save(cursor) {
      // What was told before the cursor is committed with it.
      keep.run(cursor);
      if (db.inTransaction) db.exec("commit");
      console.log(`saved ${(known.get() as { n: number }).n} users`);
    },
  },
  onCopy() {
    if (db.inTransaction) db.exec("rollback");
    db.exec("begin; delete from users; delete from cursor");
  },
  onUser(user) {
    begin();
    const plan = user.public_metadata.plan ?? null;
    insert.run(user.id, emailOf(user), plan, user.last_active_at, JSON.stringify(user));
  },
  onDeleted(id) {
    begin();
    remove.run(id);
  },
});
await following.catch((reason: unknown) => {
  if (!stop.signal.aborted) throw reason;
});
db.close();
