// Covers src/http/clerk-answer.ts

import { expect, test } from "vitest";
import { AppError } from "../../../src/lib/errors.js";
import {
  bearer,
  type ForwardedRequest,
  MIRROR_KEY,
  type Overrides,
  PRIVATE_USER,
  principalWith,
  standInApp,
} from "../stand-ins.js";

async function send(method: string, path: string, overrides: Overrides = {}, init: RequestInit = {}) {
  const { app, asked } = standInApp(overrides);
  const { headers: extra, ...rest } = init;
  const headers = { ...bearer(MIRROR_KEY).headers, ...(extra as Record<string, string>) };
  const response = await app.request(path, { method, ...rest, headers });
  return { status: response.status, headers: response.headers, text: await response.text(), asked };
}

test("applies what Clerk answered before the caller gets it", async () => {
  const { status, asked, text, headers } = await send("PATCH", "/v1/users/user_1");
  expect(asked).toEqual([
    ["forward", "PATCH", "/v1/users/user_1"],
    ["apply", "user", 200],
  ]);
  expect([status, JSON.parse(text)]).toEqual([200, PRIVATE_USER]);
  expect(headers.get("content-type")).toBe("application/json");
});

test("sends method, query, headers and body on as they came", async () => {
  const seen: ForwardedRequest[] = [];
  const bodies: Promise<string>[] = [];
  const body = '{"first_name": "Zoë" }';
  await send(
    "POST",
    "/v1/users?a=%2B1&b=x+y&b=",
    {
      clerkAnswers(request) {
        seen.push(request);
        bodies.push(new Response(request.body).text());
        return { status: 200, body: PRIVATE_USER };
      },
    },
    {
      body,
      headers: {
        "Content-Type": "application/json",
        "Clerk-API-Version": "2024-10-01",
        "Content-Length": "22",
      },
    },
  );
  expect(seen[0]).toMatchObject({ method: "POST", path: "/v1/users", search: "?a=%2B1&b=x+y&b=" });
  expect(seen[0]?.headers.get("clerk-api-version")).toBe("2024-10-01");
  expect(await bodies[0]).toBe(body);
});

test("sends no body on where none was sent", async () => {
  let body: unknown;
  const clerkAnswers = (request: ForwardedRequest) => {
    body = request.body;
    return { status: 200, body: PRIVATE_USER };
  };
  await send("POST", "/v1/users/user_1/ban", { clerkAnswers });
  expect(body).toBeNull();
});

test("hides private metadata at every level under /v1/users from keys that may not read it", async () => {
  const answer = {
    data: [{ private_metadata: { a: 1 }, organization: { private_metadata: { b: 1 }, name: "x" } }],
  };
  const clerkAnswers = () => ({ status: 200, body: answer });
  const path = "/v1/users/user_1/organization_invitations";
  const { text } = await send("GET", path, { clerkAnswers, authenticate: principalWith("users:read") });
  expect(JSON.parse(text)).toEqual({
    data: [{ private_metadata: null, organization: { private_metadata: null, name: "x" } }],
  });
});

test("leaves public metadata alone, whatever its keys are called", async () => {
  const { text } = await send("PATCH", "/v1/users/user_1", { authenticate: principalWith("users:write") });
  expect(JSON.parse(text)).toEqual({ ...PRIVATE_USER, private_metadata: null });
});

test("answers elsewhere hold what Clerk sent: the scope for them is as powerful as Clerk's own key", async () => {
  const body = { id: "org_1", private_metadata: { a: 1 } };
  const clerkAnswers = () => ({ status: 200, body });
  const overrides = { clerkAnswers, authenticate: principalWith("proxy") };
  expect(JSON.parse((await send("GET", "/v1/organizations/org_1", overrides)).text)).toEqual(body);
});

test("keeps Clerk's error, its headers and its trace id", async () => {
  const body = {
    errors: [{ code: "too_many_requests", message: "", long_message: "" }],
    clerk_trace_id: "trace",
  };
  const headers = new Headers({ "content-type": "application/json", "retry-after": "7", "cf-ray": "ray" });
  const answer = await send("POST", "/v1/users", { clerkAnswers: () => ({ status: 429, body, headers }) });
  expect([answer.status, JSON.parse(answer.text)]).toEqual([429, body]);
  expect([answer.headers.get("retry-after"), answer.headers.get("cf-ray")]).toEqual(["7", "ray"]);
  expect(answer.headers.get("content-type")).toBe("application/json");
});

test("passes an answer without a body on", async () => {
  const clerkAnswers = () => ({ status: 204, headers: new Headers() });
  for (const authenticate of [
    principalWith("users:write"),
    principalWith("users:write", "private_metadata:read"),
  ]) {
    const { status, text } = await send("DELETE", "/v1/users/user_1/passkeys/pk_1", {
      clerkAnswers,
      authenticate,
    });
    expect([status, text]).toEqual([204, ""]);
  }
});

test("refuses encoded slashes and dot segments with 400 and asks nobody", async () => {
  for (const path of ["/v1/users%2Fuser_1", "/v1/users/%2e%2e/jwks", "/v1/users/user_1%2fmetadata"]) {
    const { app, asked } = standInApp();
    // As a server sees it: the app's own URL has dot segments resolved before anyone can tell.
    const incoming = { url: path } as never;
    const response = await app.request(path, { method: "POST", ...bearer(MIRROR_KEY) }, { incoming });
    expect([path, response.status, asked]).toEqual([path, 400, []]);
    expect(await response.json()).toMatchObject({ errors: [{ code: "bad_request" }] });
  }
});

test.each([
  ["upstream_unavailable", 502],
  ["upstream_timeout", 504],
] as const)("answers %s with %d in Clerk's shape, and doubts the user it was about", async (code, status) => {
  const { clerk } = standInApp().parts;
  const doubted: unknown[] = [];
  const answer = await send("PATCH", "/v1/users/user_1", {
    clerk: {
      forward: () => Promise.reject(new AppError(code, "Clerk is away")),
      writeThrough: {
        ...clerk.writeThrough,
        async applyUnanswered(effect) {
          doubted.push(effect);
        },
      },
    },
  });
  expect([answer.status, doubted]).toEqual([status, [{ kind: "user", userId: "user_1" }]]);
  expect(JSON.parse(answer.text)).toMatchObject({
    errors: [{ message: "Clerk is away" }],
    clerk_trace_id: answer.headers.get("x-request-id"),
  });
});

test("holds so many bytes of bodies together on their way to Clerk, refuses more, and small ones go on", async () => {
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const { app } = standInApp({
    async clerkAnswers() {
      await answered;
      return { status: 200, body: PRIVATE_USER };
    },
  });
  const upload = (length: number) =>
    app.request("/v1/users/user_1/profile_image", {
      method: "POST",
      headers: { ...bearer(MIRROR_KEY).headers, "Content-Length": String(length) },
      body: "bytes",
    });
  const [MIB, GIB] = [2 ** 20, 2 ** 30];
  const held = Array.from({ length: 7 }, () => upload(10 * MIB));
  // Of a body without an end no more than so much lies here: Clerk doesn't take it, and neither does the mirror.
  held.push(upload(GIB), upload(30 * MIB), upload(26 * MIB));
  const refused = await upload(MIB * 11);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  held.push(upload(10 * MIB));
  answer();
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual(held.map(() => 200));
  expect((await upload(11 * MIB)).status).toBe(200);
});
