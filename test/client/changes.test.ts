// Covers src/client/{changes,follow}.ts

import { describe, expect, test } from "vitest";
import type { Change, User } from "../../src/client/client.js";
import { scriptedClients } from "../support/scripted-client.js";
import { type Answer, json, stream } from "../support/scripted-server.js";

const scripted = scriptedClients();
const clientOf = (answers: readonly Answer[]) => scripted.clientOf(answers, { retries: 0 });

const change = (cursor: string, id: string, object?: object | null) => {
  const type = object === null ? "user.deleted" : "user.upserted";
  return `event: change\nid: ${cursor}\ndata: ${JSON.stringify({ type, id, version: 1, at: 2, object })}\n\n`;
};
const bookmark = (cursor: string) => `event: bookmark\nid: ${cursor}\ndata: {}\n\n`;
const reset = "event: reset\ndata: {}\n\n";
/** A stream that stays open. */
const open =
  (...pieces: string[]): Answer =>
  (response) => {
    response.writeHead(200);
    for (const piece of pieces) response.write(piece);
  };
const expired = json({ errors: [{ message: "gone", code: "changes_expired", meta: {} }] }, 410);
const queryOf = (n: number) => new URL(scripted.requests()[n]?.url ?? "", "http://x").searchParams;

async function take(changes: AsyncIterable<Change>, most: number): Promise<string[]> {
  const found: string[] = [];
  for await (const { id } of changes) if (found.push(id) === most) break;
  return found;
}

describe("changes", () => {
  test("go on behind the last event when the connection ends or is cut, bookmarks included", async () => {
    const client = await clientOf([
      stream([change("1", "a"), bookmark("2")]),
      stream([change("3", "b")], { end: false }),
      open(change("4", "c")),
    ]);
    const bookmarks: string[] = [];
    const changes = client.changes({
      ...{ after: "0", types: ["user", "membership"], include: "object" },
      onBookmark: (cursor) => void bookmarks.push(cursor),
    });
    expect(await take(changes, 3)).toEqual(["a", "b", "c"]);
    expect(bookmarks).toEqual(["2"]);
    expect([0, 1, 2].map((n) => queryOf(n).get("after"))).toEqual(["0", "2", "3"]);
    expect(Object.fromEntries(queryOf(0))).toEqual({
      after: "0",
      types: "user,membership",
      include: "object",
    });
    expect(scripted.requests()[0]?.headers.accept).toBe("text/event-stream");
  });

  test("begin where now is, and stay there when the first connection brings nothing", async () => {
    const client = await clientOf([
      json({ data: [], next_cursor: "9" }),
      stream([]),
      open(change("10", "a")),
    ]);
    expect(await take(client.changes(), 1)).toEqual(["a"]);
    expect(scripted.requests()[0]?.url).toBe("/mirror/changes?after=now&limit=1");
    expect([1, 2].map((n) => queryOf(n).get("after"))).toEqual(["9", "9"]);
  });

  test("reject when the cursor has expired, at once or in mid-stream, and when the mirror refuses", async () => {
    const client = await clientOf([
      expired,
      stream([change("1", "a"), reset]),
      json({ errors: [{ message: "no", code: "authorization_invalid" }] }, 403),
    ]);
    const all = () => take(client.changes({ after: "0" }), 9);
    await expect(all()).rejects.toMatchObject({ status: 410, code: "changes_expired" });
    await expect(all()).rejects.toMatchObject({ status: 410, code: "changes_expired" });
    await expect(all()).rejects.toMatchObject({ status: 403, code: "authorization_invalid" });
  });

  test("end with the reason of the caller's signal", async () => {
    const client = await clientOf([open(change("1", "a"))]);
    const stop = new AbortController();
    await expect(async () => {
      for await (const _ of client.changes({ after: "0", signal: stop.signal }))
        stop.abort(new Error("enough"));
    }).rejects.toThrow("enough");
  });
});

describe("a follower", () => {
  const copy = (cursor: string, ...ids: string[]) =>
    stream(
      ids.map((id) => `{"id":"${id}"}\n`),
      { headers: { "x-mirror-changes-cursor": cursor } },
    );
  const cutCopy = (...ids: string[]) =>
    stream(
      ids.map((id) => `{"id":"${id}"}\n`),
      { end: false, headers: { "x-mirror-changes-cursor": "0" } },
    );

  /** What a follower of this server was told and saved, in order, until `last` was told. */
  async function followed(answers: readonly Answer[], last: string, begin: string | null, withCopy = true) {
    const client = await clientOf(answers);
    const told: string[] = [];
    const stop = new AbortController();
    const tell = (what: string) => {
      told.push(what);
      if (what === last) stop.abort(new Error("enough"));
    };
    const store = {
      load: async () => begin,
      save: async (cursor: string) => void told.push(`save ${cursor}`),
    };
    const following = client.follow({
      ...{ store, signal: stop.signal },
      onUser: async (user: User) => tell(`${user.id}${user.first_name ?? ""}`),
      onDeleted: (id) => tell(`-${id}`),
      ...(withCopy && { onCopy: () => tell("copy") }),
    });
    await expect(following).rejects.toThrow("enough");
    return told;
  }

  test("copies everybody, saves the copy's cursor, and follows from there", async () => {
    const live = open(
      change("6", "a", { id: "a", first_name: "Ann" }),
      bookmark("7"),
      change("8", "b", null),
      change("9", "c", null),
    );
    expect(await followed([copy("5", "a", "b", "c"), live], "-c", null)).toEqual([
      ...["copy", "a", "b", "c", "save 5", "aAnn", "save 7", "-b", "-c", "save 9"],
    ]);
    expect(Object.fromEntries(queryOf(1))).toEqual({ after: "5", types: "user", include: "object" });
  });

  test("copies anew after a copy that was cut, without having saved anything", async () => {
    const live = open(change("6", "a", null));
    expect(await followed([cutCopy("a"), copy("5", "a", "b"), live], "-a", null)).toEqual([
      ...["copy", "a", "copy", "a", "b", "save 5", "-a", "save 6"],
    ]);
  });

  test("goes on from the cursor that it has, and copies nothing", async () => {
    expect(await followed([open(change("6", "a", null))], "-a", "5")).toEqual(["-a", "save 6"]);
    expect(queryOf(0).get("after")).toBe("5");
  });

  test("takes a user that is gone by now for deleted", async () => {
    const gone = `event: change\nid: 6\ndata: {"type":"user.upserted","id":"a","version":1,"at":2,"object":null}\n\n`;
    expect(await followed([open(gone)], "-a", "5")).toEqual(["-a", "save 6"]);
  });

  test("copies anew when its cursor has expired, if it is told so before", async () => {
    expect(await followed([expired, copy("8", "a"), open(change("9", "a", null))], "-a", "5")).toEqual([
      ...["copy", "a", "save 8", "-a", "save 9"],
    ]);
  });

  test("rejects when its cursor has expired and nobody would forget the deleted", async () => {
    const client = await clientOf([expired]);
    const store = { load: async () => "5", save: async () => {} };
    await expect(client.follow({ store, onUser() {}, onDeleted() {} })).rejects.toMatchObject({
      code: "changes_expired",
    });
  });

  test("saves after a hundred changes, so that a crash repeats few", async () => {
    const many = Array.from({ length: 101 }, (_, n) => change(String(n + 1), `u${n + 1}`, null));
    const told = await followed([open(...many)], "-u101", "0");
    expect(told.filter((what) => what.startsWith("save"))).toEqual(["save 100", "save 101"]);
  });

  test("stops, having saved what was handled, when a handler fails", async () => {
    const client = await clientOf([open(change("1", "a", null), change("2", "b", null))]);
    const saved: string[] = [];
    const store = { load: async () => "0", save: async (cursor: string) => void saved.push(cursor) };
    const onDeleted = (id: string) => {
      if (id === "b") throw new Error("no room");
    };
    await expect(client.follow({ store, onUser() {}, onDeleted })).rejects.toThrow("no room");
    expect(saved).toEqual(["1"]);
  });
});
