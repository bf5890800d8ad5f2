import { Hono } from "hono";
import { jsonBody, type SandboxEnv } from "./api/http.js";
import type { Faults, HttpFault } from "./faults/faults.js";
import type { WalkFaults } from "./faults/walk-faults.js";
import type { Sender } from "./webhooks.js";
import type { SandboxClock } from "./world/clock.js";
import type { Store } from "./world/store.js";
import type { Traffic } from "./world/traffic.js";

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
 * - `POST /_sandbox/traffic` `{per_second}`: how many simulated changes happen; 0: none
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
    .post("/traffic", async (c) => {
      traffic.start(Number((await jsonBody(c)).per_second));
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
