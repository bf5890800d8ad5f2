// Covers src/http/{held,admission}.ts

import { ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { createLimiter } from "../../src/auth/limits.js";
import { admit, countOut } from "../../src/http/admission.js";
import { createHeld } from "../../src/http/held.js";

test("a key keeps open as many answers as it may, and the process as many as it can", () => {
  const held = createHeld({ most: 3, mostPerKey: 2 });
  const leaves = [held.enter("a"), held.enter("a")];
  expect(() => held.enter("a")).toThrow(expect.objectContaining({ code: "rate_limited" }));
  leaves.push(held.enter("b"));
  expect(() => held.enter("c")).toThrow(expect.objectContaining({ code: "overloaded" }));
  for (const leave of leaves) leave();
  held.enter("c");
  held.enter("a");
});

test("a request that is counted out early makes room for another of its key, and isn't counted out twice", () => {
  const limiter = createLimiter({ rate: 100, inFlight: 1 });
  const principal = { name: "key", scopes: new Set<never>(), limiter };
  const answer = () => new ServerResponse({ method: "GET" } as never);
  const stream = answer();
  admit(principal, stream);
  expect(() => admit(principal, answer())).toThrow(expect.objectContaining({ code: "rate_limited" }));
  countOut(stream);
  countOut(stream);
  stream.emit("close");
  const next = answer();
  admit(principal, next);
  expect(() => admit(principal, answer())).toThrow(expect.objectContaining({ code: "rate_limited" }));
  next.emit("close");
  countOut(next);
  admit(principal, answer());
  expect(() => admit(principal, answer())).toThrow(expect.objectContaining({ code: "rate_limited" }));
  // A key of the environment has no limits.
  countOut(undefined);
  countOut(answer());
});
