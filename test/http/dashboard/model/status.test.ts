import { expect, test } from "vitest";
import { createSharedStatus } from "../../../../src/http/dashboard/model/status.js";
import type { Api } from "../../../../src/http/dashboard/visit/api.js";

test("however many look, the status is read once a second, and again after a failure", async () => {
  let [reads, nowMs, isOk] = [0, 0, true];
  const get = async () => {
    reads++;
    return { isOk, body: { users: reads }, status: 200, problem: null, param: null };
  };
  const api = { get } as unknown as Api;
  const shared = createSharedStatus(() => nowMs);
  expect(await Promise.all([shared(api), shared(api), shared(api)])).toEqual([
    { users: 1 },
    { users: 1 },
    { users: 1 },
  ]);
  nowMs = 1000;
  isOk = false;
  expect([await shared(api), reads]).toEqual([null, 2]);
  nowMs = 2000;
  isOk = true;
  expect(await shared(api)).toEqual({ users: 3 });
});
