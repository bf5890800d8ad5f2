// Covers src/sandbox/{server,control,webhooks}.ts, src/sandbox/api/, src/sandbox/world/

import { createClerkClient } from "@clerk/backend";
import { Webhook } from "svix";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Sandbox, startSandbox } from "../../src/sandbox/server.js";
import { receiver } from "../support/receiver.js";
import { errorProblems, responseProblems, webhookProblems } from "../support/schema.js";

const SECRET = `whsec_${Buffer.from("a signing secret of tests").toString("base64")}`;
let sandbox: Sandbox;

beforeAll(async () => {
  sandbox = await startSandbox({ users: 400, organizations: 5, seed: 3, clockMs: 1_750_000_000_000 });
});
afterAll(() => sandbox.close());

async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${sandbox.url}/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${sandbox.secretKey}`, "Content-Type": "application/json", ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  expect(response.headers.get("content-type")).toBe("application/json");
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text) };
}

const template = (path: string, id: string) => path.replace(id, "{user_id}").replace(/\?.*/, "");

describe("the sandbox's answers", () => {
  test("every person is a valid user, and there are awkward ones among them", async () => {
    const { status, body } = await ask("GET", "/users?limit=400");
    expect(status).toBe(200);
    expect(responseProblems("GET", "/users", 200, body)).toEqual([]);
    const text = JSON.stringify(body);
    for (const awkward of ["\\u0000", "さくら", "İpek", '"email_addresses":[]']) {
      expect(text).toContain(awkward);
    }
  });

  test("text is whole, so that strict clients read it, unless broken text is asked for", async () => {
    const halves = /\\ud[89a-f]/;
    const textOf = async (from: Sandbox) => {
      const headers = { Authorization: `Bearer ${from.secretKey}` };
      return (await fetch(`${from.url}/v1/users?limit=400`, { headers })).text();
    };
    expect(await textOf(sandbox)).not.toMatch(halves);
    const broken = await startSandbox({ users: 400, seed: 3, loneSurrogates: true });
    expect(await textOf(broken)).toMatch(halves);
    await broken.close();
  });

  test.each([
    ["a PNG", "89504e470d0a1a0a00", 200],
    ["a JPEG", "ffd8ffe000", 200],
    ["a GIF", "47494638396100", 200],
    ["a WebP", "524946460000000057454250", 200],
    ["no picture", "00ff00ff00ff", 400],
  ])("a profile image whose part names no type is known by its bytes: %s", async (_, hex, status) => {
    const [user] = sandbox.clerk.users();
    const form = new FormData();
    form.append("file", new Blob([Buffer.from(hex, "hex")], { type: "application/octet-stream" }), "me");
    const response = await fetch(`${sandbox.url}/v1/users/${user?.id}/profile_image`, {
      method: "POST",
      headers: { Authorization: `Bearer ${sandbox.secretKey}` },
      body: form,
    });
    expect(response.status).toBe(status);
  });

  test("every operation that answers a user answers a valid one", async () => {
    const created = await ask("POST", "/users", {
      email_address: ["new@example.com"],
      phone_number: ["+15550001111"],
      username: "newcomer",
      password: "long enough",
      totp_secret: "secret123456",
      backup_codes: ["code-1", "code-2"],
      public_metadata: { a: { b: 1, c: 2 } },
    });
    expect(responseProblems("POST", "/users", created.status, created.body)).toEqual([]);
    const id: string = created.body.id;
    const operations: [string, string, unknown?][] = [
      ["GET", `/users/${id}`],
      ["PATCH", `/users/${id}`, { first_name: "New", last_name: null, created_at: "2020-01-01T00:00:00Z" }],
      ["PATCH", `/users/${id}/metadata`, { public_metadata: { a: { b: null, d: 3 } } }],
      ["PUT", `/users/${id}/metadata`, { unsafe_metadata: { x: 1 } }],
      ["POST", `/users/${id}/ban`],
      ["POST", `/users/${id}/unban`],
      ["POST", `/users/${id}/lock`],
      ["POST", `/users/${id}/unlock`],
      ["POST", `/users/${id}/verify_password`, { password: "long enough" }],
      ["POST", `/users/${id}/verify_totp`, { code: "123456" }],
      ["POST", `/users/${id}/verify_totp`, { code: "code-1" }],
      ["POST", `/users/${id}/password/set_compromised`],
      ["POST", `/users/${id}/password/unset_compromised`],
      ["PUT", `/users/${id}/email_address`, { email_address: "other@example.com" }],
      ["PUT", `/users/${id}/phone_number`, { phone_number: "+15550002222" }],
      ["POST", `/users/${id}/remove_password`],
      ["DELETE", `/users/${id}/backup_code`],
      ["DELETE", `/users/${id}/totp`],
      ["DELETE", `/users/${id}/mfa`],
      ["GET", `/users/${id}/organization_memberships`],
      ["GET", `/users/${id}/organization_invitations`],
    ];
    for (const [method, path, body] of operations) {
      const answer = await ask(method, path, body);
      expect([
        method,
        path,
        responseProblems(method, template(path, id), answer.status, answer.body),
      ]).toEqual([method, path, []]);
    }
    const user = (await ask("GET", `/users/${id}`)).body;
    expect(user.public_metadata).toEqual({ a: { c: 2, d: 3 } });
    expect(user.created_at).toBe(Date.parse("2020-01-01T00:00:00Z"));
    const bulk = await ask("POST", "/users/ban", { user_ids: [id] });
    expect(responseProblems("POST", "/users/ban", 200, bulk.body)).toEqual([]);
    const deleted = await ask("DELETE", `/users/${id}`);
    expect(responseProblems("DELETE", "/users/{user_id}", 200, deleted.body)).toEqual([]);
  });

  test("counts, memberships and tokens are valid", async () => {
    const count = await ask("GET", "/users/count?banned=true");
    expect(responseProblems("GET", "/users/count", 200, count.body)).toEqual([]);
    const member = sandbox.clerk.memberships()[0]?.public_user_data as { user_id: string };
    const memberships = await ask("GET", `/users/${member.user_id}/organization_memberships`);
    expect(memberships.body.total_count).toBeGreaterThan(0);
    expect(
      responseProblems("GET", "/users/{user_id}/organization_memberships", 200, memberships.body),
    ).toEqual([]);
    const all = await ask("GET", "/organization_memberships?limit=500");
    expect(responseProblems("GET", "/organization_memberships", 200, all.body)).toEqual([]);
    const withAccount = sandbox.clerk
      .users()
      .find((user) => (user.external_accounts as unknown[]).length > 0);
    const provider = (withAccount?.external_accounts as { provider: string }[] | undefined)?.[0]?.provider;
    const path = `/users/${withAccount?.id}/oauth_access_tokens/${provider}`;
    const tokens = await ask("GET", path);
    expect(
      responseProblems("GET", "/users/{user_id}/oauth_access_tokens/{provider}", 200, tokens.body),
    ).toEqual([]);
  });

  test.each([
    ["GET", "/users/user_nobody", undefined, 404, "resource_not_found"],
    ["PATCH", "/users/user_nobody", {}, 404, "resource_not_found"],
    ["GET", "/users?limit=501", undefined, 422, "form_param_value_invalid"],
    ["GET", "/users?order_by=nothing", undefined, 422, "form_param_value_invalid"],
    ["GET", "/users?starting_after=user_nobody", undefined, 422, "form_resource_not_found"],
    ["GET", "/users?provider=oauth_google", undefined, 422, "form_conditional_param_missing"],
    ["POST", "/users", { nonsense: 1 }, 422, "form_param_unknown"],
    ["POST", "/users", { password: "short" }, 422, "form_password_length_too_short"],
    ["POST", "/users", { public_metadata: [] }, 422, "form_param_value_invalid"],
    ["POST", "/users", { public_metadata: { a: "x".repeat(9000) } }, 422, "form_param_exceeds_allowed_size"],
    ["POST", "/users/ban", { user_ids: Array(51).fill("user_1") }, 400, "bulk_size_exceeded"],
  ])("%s %s is refused as Clerk would", async (method, path, body, status, code) => {
    const answer = await ask(method, path, body);
    expect(errorProblems(answer.body)).toEqual([]);
    expect([answer.status, answer.body.errors[0].code]).toEqual([status, code]);
  });

  const FIELDS = ["public_metadata", "private_metadata", "unsafe_metadata"];

  test.each(["2021-02-05", "2024-10-01", "2025-04-10", "2025-11-10", null])(
    "a PATCH of a user takes metadata, replaced whole, by version %s",
    async (version) => {
      const id = sandbox.clerk.users()[0]?.id;
      const headers: Record<string, string> = version === null ? {} : { "Clerk-API-Version": version };
      const patch = async (value: object) => {
        const body = Object.fromEntries(FIELDS.map((field) => [field, value]));
        const answer = await ask("PATCH", `/users/${id}`, { first_name: "By version", ...body }, headers);
        return FIELDS.map((field) => answer.body[field]);
      };
      await patch({ a: { b: 1 }, c: 1 });
      const whole = { a: { d: version } };
      expect(await patch(whole)).toEqual([whole, whole, whole]);
    },
  );

  test.each(FIELDS)(
    "a PATCH of a user doesn't take %s by version 2026-05-12, by header or query",
    async (field) => {
      const path = `/users/${sandbox.clerk.users()[0]?.id}`;
      const asked = [
        ask("PATCH", path, { [field]: {} }, { "Clerk-API-Version": "2026-05-12" }),
        ask("PATCH", `${path}?__clerk_api_version=2026-05-12`, { [field]: {} }),
      ];
      for (const { status, body } of await Promise.all(asked)) {
        expect([status, body.errors[0].code, body.errors[0].meta]).toEqual([
          ...[422, "form_param_unknown", { param_name: field }],
        ]);
      }
    },
  );

  test.each([
    ["an unknown one", "", "2022-01-01"],
    ["no date", "", "latest"],
    ["nothing", "", ""],
    ["an unknown one in the query", "?__clerk_api_version=2022-01-01", undefined],
    ["one by header and another by query", "?__clerk_api_version=2025-11-10", "2026-05-12"],
    ["the same by header and by query", "?__clerk_api_version=2026-05-12", "2026-05-12"],
    ["two in the query", "?__clerk_api_version=2025-11-10&__clerk_api_version=2026-05-12", undefined],
  ])("a version that is %s is an invalid request", async (_, query, header) => {
    for (const path of ["/users/count", "/jwks", "/organizations"]) {
      const headers: Record<string, string> = header === undefined ? {} : { "Clerk-API-Version": header };
      const { status, body } = await ask("GET", `${path}${query}`, undefined, headers);
      expect([status, body.errors[0].code]).toEqual([400, "api_version_invalid"]);
      expect(errorProblems(body)).toEqual([]);
    }
  });

  test("a wrong key, no key and another scheme are told apart", async () => {
    const codes = await Promise.all(
      ["Bearer sk_test_other", "", "Basic abc"].map(
        async (authorization) =>
          (await ask("GET", "/users", undefined, { Authorization: authorization })).body.errors[0].code,
      ),
    );
    expect(codes).toEqual([
      "clerk_key_invalid",
      "authentication_invalid",
      "authorization_header_format_invalid",
    ]);
  });
});

describe("the sandbox's webhooks", () => {
  test("are valid, signed, and repeated under one id until they are taken", async () => {
    const taken = await receiver([500, 200]);
    const own = await startSandbox({
      users: 3,
      clockMs: 1_750_000_000_000,
      retryScheduleMs: [1, 1],
      webhook: { url: taken.url, secret: SECRET },
    });
    const user = own.clerk.createUser({ email_address: ["a@example.com"], private_metadata: { p: 1 } });
    await own.webhooks.settle();
    own.clerk.updateUser(user.id, { first_name: "B" });
    own.clerk.signIn(user.id);
    const organization = own.clerk.createOrganization({ name: "Acme", created_by: user.id });
    own.clerk.updateOrganization(organization.id, { name: "Acme Inc" });
    own.clerk.updateMembership(organization.id, user.id, { role: "org:member" });
    own.clerk.deleteMembership(organization.id, user.id);
    own.clerk.deleteOrganization(organization.id);
    own.clerk.deleteUser(user.id);
    await own.webhooks.settle();
    await own.close();
    await taken.close();

    const events = taken.received.map(({ headers, body }) => {
      new Webhook(SECRET).verify(body, headers);
      return JSON.parse(body);
    });
    expect(events.slice(0, 2).map(({ type }) => type)).toEqual(["user.created", "user.created"]);
    expect(taken.received[0]?.headers["svix-id"]).toBe(taken.received[1]?.headers["svix-id"]);
    expect(new Set(events.map(({ type }) => type))).toEqual(
      new Set([
        ...["user.created", "user.updated", "session.created", "organization.created"],
        ...["organizationMembership.created", "organization.updated", "organizationMembership.updated"],
        ...["organizationMembership.deleted", "organization.deleted", "user.deleted"],
      ]),
    );
    for (const event of events)
      expect([event.type, webhookProblems(event.type, event)]).toEqual([event.type, []]);
  });

  test("can be dropped, doubled, held back and delayed", async () => {
    const taken = await receiver([200]);
    const own = await startSandbox({ webhook: { url: taken.url, secret: SECRET } });
    Object.assign(own.webhooks.faults, { drop: 1, duplicate: 1 });
    own.clerk.createUser({ first_name: "dropped" });
    own.clerk.createUser({ first_name: "doubled" });
    await own.webhooks.settle();
    own.webhooks.faults.reorder = 1;
    own.clerk.createUser({ first_name: "second" });
    own.clerk.createUser({ first_name: "first" });
    await own.webhooks.settle();
    await own.close();
    await taken.close();
    const names = taken.received.map(({ body }) => JSON.parse(body).data.first_name);
    expect(names.slice(0, 2)).toEqual(["doubled", "doubled"]);
    expect(names.slice(2).sort()).toEqual(["first", "second"]);
  });
});

describe("the sandbox", () => {
  test("gives the same answers to the same calls under the same seed and clock", async () => {
    const answers = await Promise.all(
      [1, 2].map(async () => {
        const own = await startSandbox({ users: 20, organizations: 2, seed: 9, clockMs: 1_750_000_000_000 });
        const clerk = createClerkClient({ secretKey: own.secretKey, apiUrl: own.url });
        const created = await clerk.users.createUser({ emailAddress: ["x@example.com"] });
        const list = await clerk.users.getUserList({ limit: 100 });
        await own.close();
        return JSON.stringify([created, list]);
      }),
    );
    expect(answers[0]).toBe(answers[1]);
  });

  test("limits, delays, fails and cuts as it is told", async () => {
    const own = await startSandbox({ rateLimit: 3 });
    own.faults.add({ match: "GET /v1/users/count", times: 1, status: 503, body: "<html>" });
    own.faults.add({ match: "GET /v1/users/count", times: 1, cut: "before" });
    const count = () =>
      fetch(`${own.url}/v1/users/count`, { headers: { Authorization: `Bearer ${own.secretKey}` } });
    const failed = await count();
    expect([failed.status, await failed.text()]).toEqual([503, "<html>"]);
    await expect(count()).rejects.toThrow();
    for (let n = 0; n < 3; n++) expect((await count()).status).toBe(200);
    const refused = await count();
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    await own.close();
  });
});
