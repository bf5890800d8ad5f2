// Covers src/http/dashboard/pages/*, src/http/dashboard/parts/*, src/http/dashboard/model/*

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Scope } from "../../../src/auth/scopes.js";
import type { RunningServer } from "../../../src/runtime/server.js";
import { type Sandbox, startSandbox } from "../../../src/sandbox/server.js";
import { freshDatabase, type OwnDatabase } from "../../support/database.js";
import { startMirror } from "../../support/mirror.js";
import { overNetwork, signedIn, type Visitor } from "./visitor.js";

const ADMIN_KEY = "um_admin_of_these_tests";
const HOSTILE = `<img src=x onerror=alert(1)>"'&`;

let database: OwnDatabase;
let sandbox: Sandbox;
let server: RunningServer;
let admin: Visitor;
let ada: string;
let hostile: string;
let company: string;

const headers = { Authorization: `Bearer ${ADMIN_KEY}` };

beforeAll(async () => {
  database = await freshDatabase();
  sandbox = await startSandbox({ users: 120, organizations: 2 });
  const { clerk } = sandbox;
  ada = clerk.createUser({
    ...{
      first_name: "Ada",
      last_name: "Lovelace",
      email_address: ["ada@analytical.example"],
      username: "countess",
    },
    ...{ public_metadata: { plan: "pro", seats: { used: 3 } }, private_metadata: { secret: "PRIVATE" } },
  }).id;
  hostile = clerk.createUser({
    ...{ first_name: HOSTILE, email_address: ["hostile@analytical.example"] },
    ...{ public_metadata: { [HOSTILE]: HOSTILE } },
  }).id;
  company = clerk.createOrganization({ name: `Company ${HOSTILE}`, created_by: ada }).id;
  clerk.createMembership({ organization_id: company, user_id: hostile, role: "org:member" });
  server = await startMirror({
    ...{ sandbox, databaseUrl: database.url },
    env: { MIRROR_API_KEY: ADMIN_KEY },
  });
  admin = await signedIn(overNetwork(server.url), ADMIN_KEY);
});
afterAll(async () => {
  await server?.stop();
  await sandbox?.close();
  await database?.drop();
});

async function visitorWith(...scopes: Scope[]): Promise<Visitor> {
  const made = await fetch(`${server.url}/mirror/keys`, {
    ...{ method: "POST", headers: { ...headers, "Content-Type": "application/json" } },
    body: JSON.stringify({ name: `${scopes.join("-")}-${Math.random()}`, scopes }),
  });
  const { key } = (await made.json()) as { key: string };
  return signedIn(overNetwork(server.url), key);
}

async function page(path: string, visitor: Visitor = admin, more: Record<string, string> = {}) {
  const answer = await visitor.get(`/dashboard/${path}`, more);
  return { status: answer.status, html: await answer.text() };
}

async function compared(id: string) {
  const answer = await admin.post(`/dashboard/users/${id}/compare`, { csrf: await admin.csrf() });
  return { status: answer.status, html: await answer.text() };
}

const list = (params: string | Record<string, string>) => page(`users?${new URLSearchParams(params)}`);
const namesIn = (html: string) =>
  [...html.matchAll(/<td><a href="\/dashboard\/users\/[^"]+" title="([^"]+)">/g)].map(([, id]) => id);

describe("the list of users", () => {
  test("searches everything, and shows hostile names and metadata as text", async () => {
    for (const q of ["lovelace", "ADA@ANALYTICAL", "countess", ada]) {
      const { status, html } = await list({ q });
      expect([status, namesIn(html)]).toEqual([200, [ada]]);
      expect(html).toContain("1 user");
    }
    const { html } = await list({ q: "<img src", column: "public_metadata" });
    expect(namesIn(html)).toEqual([hostile]);
    expect(html).not.toContain("<img src=x");
    expect(html).toContain("&lt;img src=x onerror=alert(1)&gt;");
  });

  test("filters by rows, whose link shows the same list again, in JSON and in SCIM", async () => {
    const rows = "field=public_metadata.plan&op=eq&value=pro&field=username&op=prefix&value=count";
    const { html } = await list(rows);
    expect(namesIn(html)).toEqual([ada]);
    expect(html).toContain("{&quot;public_metadata.plan&quot;:&quot;pro&quot;,&quot;username&quot;:");
    expect(html).toContain("public_metadata.plan eq &quot;pro&quot; and userName sw &quot;count&quot;");
    const link = /id="filter-link" href="([^"]+)"/.exec(html)?.[1]?.replaceAll("&amp;", "&") ?? "";
    const again = await (await admin.get(link)).text();
    expect(namesIn(again)).toEqual([ada]);
    expect(again).toContain('value="public_metadata.plan"');
  });

  test("takes filters that are written by hand, also those that rows can't say", async () => {
    expect(namesIn((await list({ filter: 'userName eq "countess"' })).html)).toEqual([ada]);
    const { html } = await list({ filter: '{"not":{"not":{"username":"countess"}}}' });
    expect(namesIn(html)).toEqual([ada]);
    expect(html).toContain("more than rows can");
  });

  test("says what is wrong beside its row or its text, and leaves it out", async () => {
    const { status, html } = await list(
      "field=username&op=eq&value=countess&field=created_at&op=gte&value=yesterday",
    );
    expect(status).toBe(200);
    expect(html).toMatch(/id="row-1-problem" role="alert">created_at\.gte must be a time/);
    expect(html).toContain("One condition is not complete");
    expect(namesIn(html)).toEqual([ada]);
    const text = await list({ filter: "userName eqx" });
    expect(text.html).toMatch(/id="filter-problem" role="alert">filter is wrong at position/);
    expect(namesIn(text.html)).toEqual([]);
  });

  test("shows the columns that are chosen, metadata paths too, in the order that is asked for", async () => {
    const { html } = await list(
      "q=analytical&column=id&column=public_metadata.seats.used&order=-email_address",
    );
    expect(namesIn(html)).toEqual([hostile, ada]);
    expect(html).toContain("public_metadata.seats.used</a>");
    expect(html).toContain("<td>3</td>");
    const unknown = await list("column=nickname");
    expect([unknown.status, unknown.html]).toEqual([422, expect.stringContaining("nickname")]);
    expect(unknown.html).toContain("Show the usual columns and order");
  });

  test("goes on by cursors until everybody was there once, and counts exactly on demand", async () => {
    const seen: (string | undefined)[] = [];
    for (let link: string | undefined = "/dashboard/users"; link !== undefined; ) {
      const html: string = await (await admin.get(link)).text();
      seen.push(...namesIn(html));
      link = /href="([^"]+)"[^>]*>Next 50|rel="next" href="([^"]+)"/
        .exec(html)
        ?.slice(1)
        .find((one) => one !== undefined)
        ?.replaceAll("&amp;", "&");
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toHaveLength(sandbox.clerk.users().length);
    expect((await list("")).html).toContain("count exactly");
    expect((await list("count=exact")).html).toContain(`<strong id="total">${seen.length} users`);
  });

  test("is exported as it is shown, whole", async () => {
    const csv = await admin.get("/dashboard/users-export?format=csv&q=analytical&column=username");
    expect(csv.headers.get("content-type")).toContain("text/csv");
    expect(csv.headers.get("content-disposition")).toBe('attachment; filename="users.csv"');
    const lines = (await csv.text()).trim().split("\r\n");
    expect(lines[0]).toBe("id,username");
    expect(lines.slice(1).sort()).toEqual([`${ada},countess`, `${hostile},`].sort());
    const all = await (await admin.get("/dashboard/users-export?format=ndjson&column=id")).text();
    expect(all.trim().split("\n")).toHaveLength(sandbox.clerk.users().length);
    const wrong = await admin.get("/dashboard/users-export?format=csv&filter=userName+eqx");
    expect([wrong.status, wrong.headers.get("location")]).toEqual([
      303,
      "/dashboard/users?filter=userName+eqx",
    ]);
  });

  test("is never empty: it says what to do next", async () => {
    expect((await list({ q: "nobody-is-called-this" })).html).toContain("Show everybody");
  });
});

describe("a user's page", () => {
  test("shows identifiers, memberships, metadata, days and what told the mirror", async () => {
    const { status, html } = await page(`users/${ada}`);
    expect(status).toBe(200);
    for (const text of [
      "Ada Lovelace",
      "ada@analytical.example",
      "countess",
      "org:admin",
      "seats",
      "PRIVATE",
    ])
      expect(html).toContain(text);
    expect(html).toContain("What is stored came from");
    expect(html).toMatch(/Active on \d+ of the last 189 days|No active day is known/);
  });

  test("shows hostile names and metadata as text, and keeps private metadata from who may not see them", async () => {
    expect((await page(`users/${hostile}`)).html).not.toContain("<img src=x");
    const reader = await visitorWith("users:read");
    const { html } = await page(`users/${ada}`, reader);
    expect(html).toContain("read-only");
    for (const text of ["PRIVATE", "Ban …", "Delete …", "Edit metadata"]) expect(html).not.toContain(text);
    expect(html).toContain("private_metadata:read");
    expect(html).toContain("changes:read");
  });

  test("marks what differs at Clerk now, whose answer is stored then", async () => {
    const endpoint = sandbox.webhooks.endpoint();
    sandbox.webhooks.setEndpoint(null);
    const { id } = sandbox.clerk.createUser({
      first_name: "Before",
      email_address: ["drift@analytical.example"],
    });
    await compared(id);
    sandbox.clerk.updateUser(id, { first_name: "After" });
    const { html } = await compared(id);
    expect(html).toContain("<del><code>&quot;Before&quot;</code></del>");
    expect(html).toContain("<ins><code>&quot;After&quot;</code></ins>");
    expect((await compared(id)).html).toContain("Nothing differs");
    sandbox.clerk.updateUser(id, { first_name: "Last" });
    const csrf = await admin.csrf();
    const refetched = await admin.post(`/dashboard/users/${id}/refetch`, { csrf });
    expect(refetched.headers.get("location")).toBe(`/dashboard/users/${id}?done=refetch`);
    expect((await page(`users/${id}`)).html).toContain("<h1>Last</h1>");
    sandbox.webhooks.setEndpoint(endpoint);
  });

  test("of nobody says so", async () => {
    const unknown = await page("users/user_unknown");
    expect([unknown.status, unknown.html]).toEqual([404, expect.stringContaining("No user was found")]);
    expect((await page(`users/${encodeURIComponent("../x")}`)).status).toBe(422);
  });

  test("says what Clerk says where it can't be compared", async () => {
    sandbox.faults.add({ match: `GET /v1/users/${ada}$`, status: 500, body: { errors: [] } });
    const { status, html } = await compared(ada);
    sandbox.faults.clear();
    expect([status, html]).toEqual([200, expect.stringContaining("The same at Clerk now")]);
    expect(html).toContain("Clerk may be reached in a moment");
  });
});

describe("what is done to a user", () => {
  const post = async (path: string, form: Record<string, string> = {}, visitor = admin) =>
    visitor.post(`/dashboard/${path}`, { csrf: await visitor.csrf(), ...form });

  test("is asked first, and done at Clerk: ban, lift the ban, lock, unlock", async () => {
    for (const [name, member, value] of [
      ["ban", "banned", true],
      ["unban", "banned", false],
      ["lock", "locked", true],
      ["unlock", "locked", false],
    ] as const) {
      const asked = await page(`users/${ada}/${name}`);
      expect(asked.html).toContain("Leave it");
      expect(sandbox.clerk.user(ada)?.[member]).toBe(!value);
      const done = await post(`users/${ada}/${name}`);
      expect([done.status, done.headers.get("location")]).toEqual([
        303,
        `/dashboard/users/${ada}?done=${name}`,
      ]);
      expect(sandbox.clerk.user(ada)?.[member]).toBe(value);
      const { html } = await page(`users/${ada}?done=${name}`);
      expect(html).toContain("Clerk has confirmed it");
    }
  });

  test("metadata are edited with a look at the changes, and only these are sent", async () => {
    const before = JSON.stringify({ plan: "pro", seats: { used: 3 } });
    sandbox.clerk.updateMetadata(ada, { public_metadata: { others: "meanwhile" } });
    const form = {
      public_metadata: JSON.stringify({ plan: "free", seats: {} }),
      before_public_metadata: before,
    };
    for (const text of ["{", `{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}`]) {
      const broken = await post(`users/${ada}/metadata`, { ...form, public_metadata: text });
      expect([broken.status, await broken.text()]).toEqual([422, expect.stringContaining("no JSON object")]);
    }
    const looked = await post(`users/${ada}/metadata`, form);
    expect([looked.status, await looked.text()]).toEqual([200, expect.stringContaining("What changes")]);
    expect(sandbox.clerk.user(ada)?.public_metadata).toMatchObject({ plan: "pro" });
    const done = await post(`users/${ada}/metadata`, { ...form, confirmed: "yes" });
    expect(done.headers.get("location")).toBe(`/dashboard/users/${ada}?done=metadata`);
    expect(sandbox.clerk.user(ada)?.public_metadata).toEqual({
      plan: "free",
      seats: {},
      others: "meanwhile",
    });
    expect(sandbox.clerk.user(ada)?.private_metadata).toEqual({ secret: "PRIVATE" });
    expect((await post(`users/${ada}/metadata`, { ...form, public_metadata: before })).status).toBe(422);
  });

  test("is refused by the API to a key without its scope, whatever form it sends, and without a token", async () => {
    const reader = await visitorWith("users:read");
    for (const name of ["ban", "delete", "metadata"]) {
      expect((await page(`users/${ada}/${name}`, reader)).status).toBe(403);
      expect((await post(`users/${ada}/${name}`, { confirmed: "yes" }, reader)).status).toBe(403);
      expect((await admin.post(`/dashboard/users/${ada}/${name}`, {})).status).toBe(403);
    }
    expect(sandbox.clerk.user(ada)?.banned).toBe(false);
  });

  test("Clerk's refusal is shown where it was asked", async () => {
    sandbox.faults.add({
      match: "POST /v1/users/.*/ban",
      times: 1,
      status: 402,
      body: { errors: [{ message: "no", long_message: "Your plan has no bans.", code: "x" }] },
    });
    const refused = await post(`users/${ada}/ban`);
    expect([refused.status, await refused.text()]).toEqual([
      422,
      expect.stringContaining("Your plan has no bans."),
    ]);
  });

  test("who is deleted is gone here too, and the page says when", async () => {
    const { id } = sandbox.clerk.createUser({
      first_name: "Short",
      email_address: ["short@analytical.example"],
    });
    await page(`users/${id}`);
    const done = await post(`users/${id}/delete`);
    expect(done.headers.get("location")).toBe(`/dashboard/users/${id}?done=delete`);
    expect(sandbox.clerk.user(id)).toBeNull();
    const { status, html } = await page(`users/${id}?done=delete`);
    expect([status, html]).toEqual([404, expect.stringContaining("The user was deleted")]);
  });

  test("nothing else can be done", async () => {
    expect((await page(`users/${ada}/verify_password`)).status).toBe(404);
    expect((await post(`users/${ada}/verify_password`)).status).toBe(404);
  });
});

describe("organizations", () => {
  test("are found by name, shown as text, with members, roles and growth", async () => {
    const found = await page(`organizations?q=${encodeURIComponent("company <IMG")}`);
    expect(found.html).toContain("Company &lt;img src=x");
    expect(found.html).not.toContain("<img src=x");
    const { html } = await page(`organizations/${company}`);
    for (const text of ["ada@analytical.example", "org:admin", "org:member", "Growth"])
      expect(html).toContain(text);
    expect(html).not.toContain("<img src=x");
    const searched = await page(`organizations/${company}?q=countess`);
    expect(searched.html).toContain("ada@analytical.example");
    expect(searched.html).not.toContain("hostile@analytical.example");
  });

  test("that aren't there say so", async () => {
    expect((await page("organizations?q=nothing-is-called-this")).html).toContain("No organization matches");
    expect((await page("organizations/org_unknown")).status).toBe(404);
    expect((await page("organizations?cursor=x")).status).toBe(422);
  });
});

describe("every page", () => {
  const paths = () => [
    ...["users", "users?q=analytical&field=banned&op=eq&value=maybe", "users/user_unknown", "organizations"],
    ...[`users/${ada}`, `users/${ada}/ban`, `users/${ada}/metadata`],
    `organizations/${company}`,
  ];

  test("links below a proxy's prefix, and nowhere else", async () => {
    for (const path of paths()) {
      const { html } = await page(path, admin, { "X-Forwarded-Prefix": "/tools" });
      const links = [...html.matchAll(/(?:href|src|action|hx-get)="([^"#]+)"/g)].map(([, link]) => link);
      expect(links.length).toBeGreaterThan(5);
      for (const link of links) expect(link).toMatch(/^\/tools\/dashboard\//);
      expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|<[^>]*\s(?:on\w+|style)=/);
    }
  });

  test("shows nothing to a key without users:read but that it may not", async () => {
    const feed = await visitorWith("changes:read");
    for (const path of paths()) {
      const { status, html } = await page(path, feed);
      expect([path, status]).toEqual([path, 403]);
      for (const text of ["Lovelace", "analytical.example", "PRIVATE"]) expect(html).not.toContain(text);
    }
  });
});
