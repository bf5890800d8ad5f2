import { Hono } from "hono";
import { expect, test } from "vitest";
import { wantedType } from "../../src/http/accept.js";
import type { HttpEnv } from "../../src/http/respond.js";

const app = new Hono<HttpEnv>().get("/", (c) =>
  c.text(wantedType(c, ["application/json", "application/x-ndjson", "text/csv"])),
);

test.each<[accept: string | null, wanted: string]>([
  [null, "application/json"],
  ["", "application/json"],
  ["*/*", "application/json"],
  ["application/json", "application/json"],
  ["application/x-ndjson", "application/x-ndjson"],
  ["Application/X-NDJSON", "application/x-ndjson"],
  ["text/csv", "text/csv"],
  ["text/csv; header=present; charset=utf-8", "text/csv"],
  ["text/*", "text/csv"],
  ["text/html, */*;q=0.8", "application/json"],
  ["text/html,application/xhtml+xml", "application/json"],
  ["application/json, text/plain, */*", "application/json"],
  ["application/x-ndjson, */*", "application/x-ndjson"],
  ["*/*, text/csv", "text/csv"],
  ["text/csv, application/x-ndjson", "text/csv"],
  ["application/x-ndjson, text/csv", "application/x-ndjson"],
  ["text/csv;q=0.5, application/x-ndjson;q=0.9", "application/x-ndjson"],
  ["application/json;q=0.1, text/csv;q=0.2", "text/csv"],
  ["application/x-ndjson;q=0, application/json", "application/json"],
  ["application/x-ndjson;q=0", "application/json"],
  ["text/csv;q=0, */*;q=0.5", "application/json"],
  ["application/json;q=0, */*", "application/x-ndjson"],
])("Accept: %s is answered with %s", async (accept, wanted) => {
  const answer = await app.request("/", accept === null ? {} : { headers: { Accept: accept } });
  expect(await answer.text()).toBe(wanted);
});
