import { Hono } from "hono";
import { jsonBody, type SandboxEnv } from "./api/http.js";
import type { Faults, HttpFault } from "./faults/faults.js";
import type { WalkFaults } from "./faults/walk-faults.js";
import type { Sender } from "./webhooks.js";
import type { SandboxClock } from "./world/clock.js";
import { type Store, showUser } from "./world/store.js";
import type { Traffic } from "./world/traffic.js";
import type { Json } from "./world/types.js";

const VISITORS_AT_ONCE = 500;

export interface ControlDeps {
  store: Store;
  clock: SandboxClock;
  faults: Faults;
  walkFaults: WalkFaults;
  lags: { setList(ms: number): void; setCount(ms: number): void; setCountIgnores(names: string[]): void };
  sender: Sender;
  traffic: Traffic;
}

/**
 * How another process controls a running sandbox. Needs no key, and works only from this machine:
 *
 * - `GET /_sandbox/state`: the number of users, organizations and memberships, the clock, all deliveries with their attempts
 * - `PUT /_sandbox/webhook` `{url, secret}`: where events are sent; `{}`: nowhere
 * - `POST /_sandbox/message` `{type, data}`: sends an event, whatever its data, and answers when it was accepted or given up
 * - `GET /_sandbox/visits?after=<n>`: who came on which days before the sandbox began: `{visits: [{user, days}, …], next}`, some people
 *   at a time; `next` is the `after` of the rest, or null
 * - `GET /_sandbox/daily_actives`: how many people came on each of these days: `{days: [{day, users}, …]}`
 * - `POST /_sandbox/traffic` `{per_second, lose_every}`: how many simulated changes happen, and of how many one webhook gets lost;
 *   0: none
 * - `POST /_sandbox/clock` `{advance_ms}`
 * - `POST /_sandbox/faults` one fault as in `faults.ts`; `DELETE /_sandbox/faults`: all off
 * - `POST /_sandbox/webhook_faults` any of `drop, duplicate, reorder, delay, lossRate, privateMetadataNull`
 * - `POST /_sandbox/walk_faults` any of `deletions, cursorDeletions, backdated`: on how many pages of the list each happens
 * - `POST /_sandbox/list_lag` `{ms}`: lists and counts show the state of that long ago; 0: the current one
 * - `POST /_sandbox/count_lag` `{ms}`: the same for counts only
 * - `POST /_sandbox/count_ignores` `{names}`: parameters that counts ignore from now on
 * - `POST /_sandbox/settle`: answers when every message was accepted or given up
 */
export function controlApi(deps: ControlDeps): Hono<SandboxEnv> {
  const { store, clock, faults, walkFaults, lags, sender, traffic } = deps;
  return new Hono<SandboxEnv>()
    .get("/state", (c) =>
      c.json({
        users: store.users.size,
        organizations: store.organizations.size,
        memberships: store.memberships.size,
        now: clock.now(),
        deliveries: sender.deliveries.map(({ id, type, attempts }) => ({ id, type, attempts })),
      }),
    )
    .put("/webhook", async (c) => {
      const { url, secret } = await jsonBody(c);
      sender.setEndpoint(typeof url === "string" && typeof secret === "string" ? { url, secret } : null);
      return c.json({});
    })
    .post("/message", async (c) => {
      const { type, data } = await jsonBody(c);
      sender.send({ type: String(type), data: data as Json });
      await sender.settle();
      return c.json({});
    })
    .get("/visits", (c) => {
      const after = Number(c.req.query("after") ?? 0);
      const all = [...store.visits];
      const some = all.slice(after, after + VISITORS_AT_ONCE);
      const visits = some.flatMap(([id, days]) => {
        const user = store.users.get(id);
        return user ? [{ user: showUser(store, user), days }] : [];
      });
      const next = after + some.length;
      return c.json({ visits, next: next < all.length ? next : null });
    })
    .get("/daily_actives", (c) => {
      const users = new Map<number, number>();
      for (const days of store.visits.values()) {
        for (const day of days) users.set(day, (users.get(day) ?? 0) + 1);
      }
      return c.json({ days: [...users].map(([day, count]) => ({ day, users: count })) });
    })
    .post("/traffic", async (c) => {
      const { per_second, lose_every = 0 } = await jsonBody(c);
      traffic.start(Number(per_second), Number(lose_every));
      return c.json({});
    })
    .post("/clock", async (c) => {
      clock.advance(Number((await jsonBody(c)).advance_ms));
      return c.json({ now: clock.now() });
    })
    .post("/faults", async (c) => {
      faults.add((await jsonBody(c)) as HttpFault);
      return c.json({});
    })
    .delete("/faults", (c) => {
      faults.clear();
      return c.json({});
    })
    .post("/webhook_faults", async (c) => {
      Object.assign(sender.faults, await jsonBody(c));
      return c.json({});
    })
    .post("/walk_faults", async (c) => {
      Object.assign(walkFaults, await jsonBody(c));
      return c.json({});
    })
    .post("/list_lag", async (c) => {
      lags.setList(Number((await jsonBody(c)).ms));
      return c.json({});
    })
    .post("/count_lag", async (c) => {
      lags.setCount(Number((await jsonBody(c)).ms));
      return c.json({});
    })
    .post("/count_ignores", async (c) => {
      const { names } = await jsonBody(c);
      lags.setCountIgnores(Array.isArray(names) ? names.map(String) : []);
      return c.json({});
    })
    .post("/settle", async (c) => {
      await sender.settle();
      return c.json({});
    });
}
