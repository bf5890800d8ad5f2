import { describe, expect, test } from "vitest";
import { LETTER, MIRROR_KEY, standInApp } from "../../stand-ins.js";
import { signedIn } from "../visitor.js";

const keyOf = (page: string) => /dead-letters\/group\/(\w+)\/replay/.exec(page)?.[1] ?? "";

describe("the page of dead letters", () => {
  test("groups letters by cause, and replays or drops a group, after it was asked", async () => {
    const { app, asked } = standInApp();
    const visitor = await signedIn(app, MIRROR_KEY);
    const csrf = await visitor.csrf();
    const page = await (await visitor.get("/dashboard/dead-letters")).text();
    const key = keyOf(page);
    expect(key).not.toBe("");
    const replayed = await visitor.post(`/dashboard/dead-letters/group/${key}/replay`, { csrf });
    expect([replayed.status, replayed.headers.get("location")]).toEqual([
      303,
      "/dashboard/dead-letters?replayed=1&left=0",
    ]);
    expect(asked).toContainEqual(["replay", LETTER.id]);
    expect(await (await visitor.get(`/dashboard/dead-letters/group/${key}/drop`)).text()).toContain(
      "gone for good",
    );
    expect(asked).not.toContainEqual(["drop", LETTER.id]);
    await visitor.post(`/dashboard/dead-letters/group/${key}/drop`, { csrf });
    expect(asked).toContainEqual(["drop", LETTER.id]);
    expect((await visitor.post("/dashboard/dead-letters/group/0000/replay", { csrf })).status).toBe(404);
  });

  test("replays or drops one letter, and says where there is none", async () => {
    const { app, asked } = standInApp();
    const visitor = await signedIn(app, MIRROR_KEY);
    const csrf = await visitor.csrf();
    const path = `/dashboard/dead-letters/letter/${encodeURIComponent(LETTER.id)}`;
    expect((await visitor.get(`${path}/drop`)).status).toBe(200);
    expect((await visitor.post(`${path}/replay`, { csrf })).status).toBe(303);
    expect((await visitor.post(`${path}/drop`, { csrf })).status).toBe(303);
    expect(asked).toContainEqual(["replay", LETTER.id]);
    expect(asked).toContainEqual(["drop", LETTER.id]);
    expect((await visitor.get("/dashboard/dead-letters/letter/msg_nobody")).status).toBe(404);
  });

  test("shows what is nested deeper than any stack as the text that it is", async () => {
    const content = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
    const { app } = standInApp({
      deadLetters: {
        list: async () => [LETTER],
        find: async () => ({ ...LETTER, payload: Buffer.from(content) }),
        ...{ replay: async () => "dead_lettered", drop: async () => false },
      },
    });
    const answer = await (await signedIn(app, MIRROR_KEY)).get("/dashboard/dead-letters/letter/msg_1");
    expect([answer.status, await answer.text()]).toEqual([
      200,
      expect.stringContaining(`<pre>${content}</pre>`),
    ]);
  });

  test("has nothing for a key without the scope admin", async () => {
    const { app } = standInApp({ authenticate: () => ({ name: "k", scopes: new Set(["users:read"]) }) });
    const visitor = await signedIn(app, "um_k");
    expect((await visitor.get("/dashboard/dead-letters")).status).toBe(403);
    const csrf = await visitor.csrf();
    const answer = await visitor.post("/dashboard/dead-letters/letter/msg_1/drop", { csrf });
    expect(answer.status).not.toBe(303);
  });
});
