import { Hono } from "hono";
import { expect, test } from "vitest";
import type { Scope } from "../../../src/auth/scopes.js";
import { answerErrors } from "../../../src/http/errors.js";
import { requestId } from "../../../src/http/middleware.js";
import type { HttpEnv } from "../../../src/http/respond.js";
import { lookupRoutes } from "../../../src/http/routes/lookup.js";
import { AppError } from "../../../src/lib/errors.js";
import { principalWith } from "../stand-ins.js";

function asking(...scopes: Scope[]) {
  const asked: unknown[] = [];
  const app = new Hono<HttpEnv>()
    .onError(answerErrors((failure) => (failure instanceof AppError ? failure : null)))
    .use(requestId)
    .use((c, next) => {
      c.set("principal", principalWith(...scopes)());
      return next();
    })
    .route(
      "/",
      lookupRoutes({
        async lookUpUsers(request, view) {
          asked.push({ ...request, ...view });
          return Buffer.from('[{"id":"user_1"},null]');
        },
        asOfMs: () => 60,
      }),
    );
  const ask = (body: unknown) =>
    app.request("/mirror/users/lookup", { method: "POST", body: JSON.stringify(body) });
  return { ask, asked };
}

test("answers with a user or null for each key, as what the key may see", async () => {
  for (const scopes of [["users:read"], ["users:read", "private_metadata:read"]] as const) {
    const { ask, asked } = asking(...scopes);
    const answer = await ask({
      by: "username",
      keys: ["ada", "bob"],
      fields: ["id", "public_metadata.plan"],
    });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect([answer.headers.get("x-mirror-source"), answer.headers.get("x-mirror-as-of")]).toEqual([
      ...["local", "60"],
    ]);
    expect(await answer.json()).toEqual({ data: [{ id: "user_1" }, null] });
    expect(asked).toMatchObject([
      {
        ...{ by: "username", keys: ["ada", "bob"], privateMetadata: scopes.length === 2 },
        fields: [
          { kind: "member", name: "id" },
          { kind: "metadata", path: ["plan"] },
        ],
      },
    ]);
  }
});

test("takes a thousand of the longest addresses, and refuses what is wrong by name", async () => {
  const { ask } = asking("users:read");
  const keys = Array.from({ length: 1001 }, (_, n) => `${n}${"x".repeat(300)}@example.com`);
  expect((await ask({ by: "email_address", keys: keys.slice(1) })).status).toBe(200);
  const wrong = async (body: unknown) => {
    const answer = await ask(body);
    const { errors } = (await answer.json()) as { errors: { meta?: { param_name?: string } }[] };
    return [answer.status, errors[0]?.meta?.param_name];
  };
  expect(await wrong({ by: "email_address", keys })).toEqual([422, "keys"]);
  expect(await wrong({ by: "email", keys: [] })).toEqual([422, "by"]);
  expect(await wrong({ by: "id", keys: ["a", 5] })).toEqual([422, "keys[1]"]);
  expect(await wrong({ by: "id", keys: ["a"], fields: ["nothing"] })).toEqual([422, "fields[0]"]);
  expect(await wrong({ by: "id", keys: ["a"], limit: 5 })).toEqual([422, "limit"]);
  const scope = { meta: { scope: "private_metadata:read" } };
  const hidden = await ask({ by: "id", keys: ["a"], fields: ["private_metadata.secret"] });
  expect([hidden.status, await hidden.json()]).toMatchObject([403, { errors: [scope] }]);
  const long = await ask({ by: "id", keys: ["x".repeat(2 ** 20)] });
  expect([long.status, await long.json()]).toMatchObject([
    422,
    { errors: [{ meta: { param_name: "keys" } }] },
  ]);
});

test("is refused without the scope", async () => {
  expect((await asking("changes:read").ask({ by: "id", keys: [] })).status).toBe(403);
});
