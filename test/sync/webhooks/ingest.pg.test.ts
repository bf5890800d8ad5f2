import { describe, expect } from "vitest";
import { unwatched } from "../../../src/db/connection/availability.js";
import { createCommitPositions } from "../../../src/db/connection/commit-position.js";
import { silentLogger } from "../../../src/observability/logger.js";
import {
  dropDeadLetters,
  findDeadLetter,
  keepDeadObject,
  listDeadLetters,
} from "../../../src/sync/ledger/dead-letters.js";
import { createIngest, type WebhookMessage } from "../../../src/sync/webhooks/ingest.js";
import { createReplay } from "../../../src/sync/webhooks/replay.js";
import { clerkUser } from "../../support/clerk-user.js";
import { type TestDatabase, test } from "../../support/database.js";

const NOW_MS = 1_750_000_000_000;

function ingestOf(db: TestDatabase, instanceId: string | null = null) {
  const told: unknown[] = [];
  const ingest = createIngest({
    ...{
      sql: db.sql,
      availability: unwatched,
      positions: createCommitPositions(db.sql, unwatched),
      instanceId,
      lagMs: 60_000,
      log: silentLogger(),
    },
    clock: { now: () => NOW_MS },
    onReceived: (webhook) => told.push(webhook),
  });
  let count = 0;
  const receive = async (message: WebhookMessage) => (await ingest.receive(message)).status;
  return {
    send: (type: string, data: unknown, envelope: object = {}) =>
      receive({
        messageId: `msg_${++count}`,
        raw: Buffer.from(
          JSON.stringify({ type, data, object: "event", timestamp: NOW_MS - 1000, ...envelope }),
        ),
      }),
    receive,
    ingest,
    told,
  };
}

const outcomes = async (db: TestDatabase) =>
  (await db.sql`select outcome from mirror_data.deliveries order by message_id`).map((row) => row.outcome);
const firstName = async (db: TestDatabase, id: string) =>
  (await db.sql`select first_name from mirror.users where id = ${id}`)[0]?.first_name;
const refetches = async (db: TestDatabase) =>
  (await db.sql`select kind, id, reason from mirror_data.refetches order by id`).map((row) => ({ ...row }));

const organization = { id: "org_1", object: "organization", name: "Acme", created_at: 1, updated_at: 1 };
const membership = {
  id: "orgmem_1",
  object: "organization_membership",
  role: "org:member",
  organization,
  public_user_data: { user_id: "user_1" },
  created_at: 1,
  updated_at: 1,
};
const session = { id: "sess_1", user_id: "user_1", status: "active", created_at: 500, last_active_at: 700 };

describe("a webhook", () => {
  test("user.created, user.updated and user.deleted change the user", async ({ db }) => {
    const { send } = ingestOf(db);
    expect(await send("user.created", clerkUser({ id: "user_1", first_name: "A" }))).toBe("applied");
    expect(await send("user.updated", clerkUser({ id: "user_1", first_name: "B", updated_at: 2000 }))).toBe(
      "applied",
    );
    expect(await firstName(db, "user_1")).toBe("B");
    expect(await send("user.deleted", { object: "user", id: "user_1", deleted: true })).toBe("applied");
    expect(await firstName(db, "user_1")).toBeUndefined();
    const [row] = await db.sql`select deleted_at from mirror_data.users`;
    expect(row?.deleted_at).toBe(NOW_MS);
  });

  test("is told of once it is committed: what became of it, and when Clerk says that it happened", async ({
    db,
  }) => {
    const { send, receive, told } = ingestOf(db);
    await send("user.created", clerkUser({ id: "user_1" }));
    await send("sms.created", {});
    await receive({ messageId: "msg_bad", raw: Buffer.from("{") });
    expect(told).toEqual([
      { status: "applied", sentAtMs: NOW_MS - 1000 },
      { status: "ignored", sentAtMs: NOW_MS - 1000 },
      { status: "dead_lettered", sentAtMs: null },
    ]);
  });

  test.for([["created"], ["pending"], ["ended"], ["removed"], ["revoked"]])(
    "session.%s brings its user",
    async ([kind], { db }) => {
      const { send } = ingestOf(db);
      const user = clerkUser({ id: "user_1", first_name: "Here" });
      expect(await send(`session.${kind}`, { ...session, user })).toBe("applied");
      expect(await firstName(db, "user_1")).toBe("Here");
    },
  );

  test("a session without its user raises the times, and Clerk is asked for the rest", async ({ db }) => {
    const { send } = ingestOf(db);
    await send("user.created", clerkUser({ id: "user_1", last_active_at: 600, last_sign_in_at: 100 }));
    expect(await send("session.created", { ...session, user: null })).toBe("applied");
    expect(await send("session.ended", { ...session, created_at: 9000, user: null })).toBe("stale");
    const [row] = await db.sql`select last_active_at, last_sign_in_at from mirror_data.user_activity`;
    expect(row).toEqual({ last_active_at: 700, last_sign_in_at: 500 });
    expect(await refetches(db)).toEqual([{ kind: "user", id: "user_1", reason: "activity_only" }]);
  });

  test("organizations and memberships come, change and go", async ({ db }) => {
    const { send } = ingestOf(db);
    const memberships = async () =>
      (await db.sql`select role from mirror.organization_memberships`).map((row) => row.role);
    const names = async () => (await db.sql`select name from mirror.organizations`).map((row) => row.name);
    expect(await send("organizationMembership.created", membership)).toBe("applied");
    expect(await names()).toEqual(["Acme"]);
    expect(
      await send("organizationMembership.updated", { ...membership, role: "org:admin", updated_at: 2 }),
    ).toBe("applied");
    expect(await memberships()).toEqual(["org:admin"]);
    expect(await send("organization.updated", { ...organization, name: "Acme Inc", updated_at: 2 })).toBe(
      "applied",
    );
    expect(await names()).toEqual(["Acme Inc"]);
    expect(await send("organizationMembership.deleted", membership)).toBe("applied");
    expect(await memberships()).toEqual([]);
    expect(await send("organizationMembership.created", membership)).toBe("stale");
    expect(await send("organization.deleted", { object: "organization", id: "org_1", deleted: true })).toBe(
      "applied",
    );
    expect(await names()).toEqual([]);
  });

  test("seen before is a duplicate, whatever it says now, and so it is for one that arrives at the same time", async ({
    db,
  }) => {
    const { receive } = ingestOf(db);
    const raw = (name: string) =>
      Buffer.from(
        JSON.stringify({ type: "user.created", data: clerkUser({ id: "user_1", first_name: name }) }),
      );
    const twice = await Promise.all([1, 2].map(() => receive({ messageId: "msg_same", raw: raw("First") })));
    expect(twice.sort()).toEqual(["applied", "duplicate"]);
    expect(await receive({ messageId: "msg_same", raw: raw("Second") })).toBe("duplicate");
    expect(await receive({ messageId: "msg_same", raw: Buffer.from("not JSON") })).toBe("duplicate");
    expect(await firstName(db, "user_1")).toBe("First");
  });

  test("older than what is stored is stale, and changes nothing", async ({ db }) => {
    const { send } = ingestOf(db);
    await send("user.updated", clerkUser({ id: "user_1", first_name: "New", updated_at: 3000 }));
    expect(await send("user.created", clerkUser({ id: "user_1", first_name: "Old", updated_at: 2000 }))).toBe(
      "stale",
    );
    expect(await firstName(db, "user_1")).toBe("New");
    expect(await outcomes(db)).toEqual(["applied", "stale"]);
  });

  test("of a type that isn't used is ignored and counted, whatever its data", async ({ db }) => {
    const { send, receive } = ingestOf(db);
    expect(await send("email.created", { id: "ema_1" })).toBe("ignored");
    expect(await send("user.createdAtInvitation", { id: "x" })).toBe("ignored");
    for (const body of ['{"type":"email.created","data":null}', '{"type":"email.created"}'])
      expect(await receive({ messageId: body, raw: Buffer.from(body) })).toBe("ignored");
    expect(await outcomes(db)).toEqual(Array(4).fill("ignored"));
  });

  test("of another instance is refused before anything else; one that doesn't say passes", async ({ db }) => {
    const { send } = ingestOf(db, "ins_1");
    const user = clerkUser({ id: "user_1" });
    await expect(send("user.created", user, { instance_id: "ins_2" })).rejects.toMatchObject({
      code: "bad_request",
    });
    expect(await db.sql`select from mirror_data.deliveries`).toEqual([]);
    expect(await send("user.created", user, { instance_id: "ins_1" })).toBe("applied");
    expect(await send("user.updated", { ...user, updated_at: 2000 })).toBe("applied");
  });

  test("with an envelope in seconds is dated like one in milliseconds", async ({ db }) => {
    const { send } = ingestOf(db);
    await send("user.created", clerkUser({ id: "user_1" }), { timestamp: 1_700_000_000 });
    await send("user.created", clerkUser({ id: "user_2" }), { timestamp: 1_700_000_000_123 });
    await send("user.created", clerkUser({ id: "user_3" }), { timestamp: NOW_MS + 86_400_000 });
    const rows = await db.sql`select observed_at from mirror_data.users order by id`;
    expect(rows.map((row) => row.observed_at)).toEqual([1_700_000_000_000, 1_700_000_000_123, NOW_MS]);
  });

  test.for([
    ["no type", '{"data":{}}', null],
    ["data null", '{"type":"user.created","data":null}', null],
    ["no data", '{"type":"user.deleted"}', null],
    ["no JSON", "{not json", null],
    ["no times", '{"type":"user.updated","data":{"id":"user_7"}}', "user_7"],
    ["an id that is none", '{"type":"user.updated","data":{"id":"a b","created_at":1,"updated_at":1}}', null],
    ["a session without its user's id", '{"type":"session.created","data":{"id":"sess_1"}}', null],
    [
      "a membership without an organization",
      '{"type":"organizationMembership.created","data":{"id":"orgmem_1"}}',
      null,
    ],
    ["bytes that are no text", "\u0000\u00ff", null],
    [
      "a name that isn't UTF-8",
      '{"type":"user.created","data":{"id":"user_1","first_name":"Zo\u00eb","created_at":1,"updated_at":1}}',
      "user_1",
    ],
  ] as const)(
    "with %s is kept as a dead letter, and its user asked of Clerk",
    async ([, body, userId], { db }) => {
      const { receive } = ingestOf(db);
      const raw = Buffer.from(body, "latin1");
      expect(await receive({ messageId: "msg_bad", raw })).toBe("dead_lettered");
      expect(await findDeadLetter(db.sql, "msg_bad")).toMatchObject({ payload: raw, userId, attempts: 1 });
      expect(await refetches(db)).toEqual(
        userId ? [{ kind: "user", id: userId, reason: "dead_letter" }] : [],
      );
      expect(await receive({ messageId: "msg_bad", raw })).toBe("dead_lettered");
      const [listed] = await listDeadLetters(db.sql, 10);
      expect(listed).toMatchObject({ id: "msg_bad", attempts: 2 });
      // Lists can be of hundreds of megabytes otherwise.
      expect(listed).not.toHaveProperty("payload");
    },
  );

  test("that was a dead letter doesn't count as seen, and its letter goes when it can be applied", async ({
    db,
  }) => {
    const { receive } = ingestOf(db);
    await receive({ messageId: "msg_1", raw: Buffer.from("{") });
    const raw = Buffer.from(JSON.stringify({ type: "user.created", data: clerkUser({ id: "user_1" }) }));
    expect(await receive({ messageId: "msg_1", raw })).toBe("applied");
    expect(await listDeadLetters(db.sql, 10)).toEqual([]);
    expect(await receive({ messageId: "msg_1", raw })).toBe("duplicate");
  });

  test("with more brackets than any user has is kept as a dead letter, and its user asked of Clerk", async ({
    db,
  }) => {
    const { receive } = ingestOf(db);
    const event = (nested: string) =>
      Buffer.from(
        `{"data":{"id":"user_1","first_name":"A","public_metadata":{"a":${nested}}},"object":"event","type":"user.created"}`,
      );
    const many = event(`[${"[],".repeat(200_000)}[]]`);
    const deep = event(`${"[".repeat(9000)}${"]".repeat(9000)}`);
    expect(await receive({ messageId: "msg_many", raw: many })).toBe("dead_lettered");
    expect(await receive({ messageId: "msg_deep", raw: deep })).toBe("dead_lettered");
    expect(await refetches(db)).toEqual([{ kind: "user", id: "user_1", reason: "dead_letter" }]);
    expect((await findDeadLetter(db.sql, "msg_many"))?.payload.equals(many)).toBe(true);
  });

  // Clerk gives each of a user's three metadata 8 KB.
  test("with metadata nested as deep as Clerk lets anybody is applied", async ({ db }) => {
    const { send } = ingestOf(db);
    const nested = () => JSON.parse(`{"a":${"[".repeat(4000)}${"]".repeat(4000)}}`);
    const user = clerkUser({
      id: "user_1",
      ...{ public_metadata: nested(), private_metadata: nested(), unsafe_metadata: nested() },
    });
    expect(await send("user.created", user)).toBe("applied");
  });

  test("with metadata nested deeper than Postgres takes is stored all the same", async ({ db }) => {
    const { send } = ingestOf(db);
    // As deep as 8 KB of metadata can be.
    const deep = { d: JSON.parse(`${"[".repeat(4090)}${"]".repeat(4090)}`) };
    expect(await send("user.created", clerkUser({ id: "user_1", unsafe_metadata: deep }))).toBe("applied");
    expect(await db.sql`select data is not null as has from mirror.users`).toEqual([{ has: true }]);
  });

  test("that was a dead letter is replayed as it came, and a user of a walk is asked of Clerk", async ({
    db,
  }) => {
    const { receive, ingest } = ingestOf(db);
    const replay = createReplay({ sql: db.sql, ingest });
    await receive({ messageId: "msg_1", raw: Buffer.from("{") });
    expect(await replay("msg_1")).toBe("dead_lettered");
    // As after an update of the mirror that knows what to make of it.
    const raw = Buffer.from(JSON.stringify({ type: "user.created", data: clerkUser({ id: "user_1" }) }));
    await db.sql`update mirror_data.dead_letters set payload = ${raw.toString("base64")}`;
    expect(await replay("msg_1")).toBe("applied");
    expect(await replay("msg_1")).toBeNull();

    await keepDeadObject(db.sql, { kind: "user", id: "user_2" }, { id: "user_2" }, new Error("unusable"));
    expect(await replay("walk:user_2")).toBe("queued");
    expect(await refetches(db)).toEqual([{ kind: "user", id: "user_2", reason: "replayed" }]);
    expect(await dropDeadLetters(db.sql, ["walk:user_2", "walk:nobody"])).toBe(1);
  });
});
