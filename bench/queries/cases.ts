/** What a case may take at most: so many milliseconds, or so many times a `count(*)` of all users, perhaps more than another case. */
export type Limit = { ms: number } | { counts: number; over?: string };

export interface Case {
  what: string;
  path: "query" | "aggregate" | "retention";
  body: Record<string, unknown>;
  limit: Limit;
}

/** What the cases ask for by name, found in the data. */
export interface Known {
  /** An organization of a dozen members. */
  smallOrganization: string;
  largestOrganization: string;
  /** A first name and a last name that many have. */
  firstName: string;
  lastName: string;
}

const pages = (
  what: string,
  filter: object,
  limits: { 50?: Limit; 500?: Limit },
  orders: readonly (readonly string[])[] = [["-created_at"]],
): Case[] =>
  orders.flatMap((order_by) =>
    Object.entries(limits).map(([limit, most]) => ({
      what: `${what}, ${order_by.join(", ")}, limit ${limit}`,
      path: "query" as const,
      body: { filter, order_by, limit: Number(limit) },
      limit: most,
    })),
  );

export const count = (what: string, filter: object, limit: Limit, how: true | "estimated" = true): Case => ({
  ...{ what: `${how === true ? "count" : "estimate"}, ${what}`, path: "query", limit },
  // One user, by an index: what is left is the count.
  body: { filter, limit: 1, count: how },
});

export const groups = (what: string, body: Record<string, unknown>, limit: Limit): Case => ({
  ...{ what: `aggregate, ${what}`, path: "aggregate", body, limit },
});

const BY_TIME = [["-created_at"], ["-last_active_at"]] as const;
const EQUALITY = { 50: { ms: 20 }, 500: { ms: 150 } };
const ELEMENTS = { 50: { ms: 60 }, 500: { ms: 250 } };
const LOOKED_THROUGH = { 50: { counts: 10 }, 500: { counts: 10 } };

export function casesOf({ smallOrganization, largestOrganization, firstName, lastName }: Known): Case[] {
  const day = (time_zone: string) => ({ field: "created_at", bucket: "day", time_zone });
  const trial = { "public_metadata.plan": "trial" };
  const largest = { organization_id: largestOrganization };
  return [
    ...pages("plan = pro (20 %)", { "public_metadata.plan": "pro" }, EQUALITY, BY_TIME),
    ...pages("plan = trial (0.1 %)", trial, EQUALITY, BY_TIME),
    ...pages("plan = nothing that exists", { "public_metadata.plan": "none" }, EQUALITY, BY_TIME),
    ...pages("plan = pro", { "public_metadata.plan": "pro" }, { 50: { ms: 20 } }, [["last_name"]]),
    // A text may be in a text as well, of which no index knows.
    ...pages("tags contain tag150 (few)", { "public_metadata.tags": { contains: "tag150" } }, LOOKED_THROUGH),
    ...pages("tags contain tag3 (many)", { "public_metadata.tags": { contains: "tag3" } }, LOOKED_THROUGH),
    ...pages("legacy (1 %, all of the oldest)", { "public_metadata.legacy": true }, LOOKED_THROUGH),
    ...pages("seats > 50 (15 %)", { "public_metadata.seats": { gt: 50 } }, LOOKED_THROUGH),
    ...pages("seats > 198 (few)", { "public_metadata.seats": { gt: 198 } }, LOOKED_THROUGH),
    ...pages("seats > 1000 (nobody)", { "public_metadata.seats": { gt: 1000 } }, LOOKED_THROUGH),
    ...pages(
      "company begins with a name",
      { "public_metadata.company": { prefix: `${lastName} 1` } },
      LOOKED_THROUGH,
    ),
    ...pages(
      "company contains nothing that exists",
      { "public_metadata.company": { contains: "zzzz" } },
      LOOKED_THROUGH,
    ),

    ...pages("domain gmail.com (55 %)", { email_domain: "gmail.com" }, ELEMENTS, BY_TIME),
    ...pages("domain yahoo.com (2 %)", { email_domain: "yahoo.com" }, ELEMENTS),
    ...pages("domain of nobody", { email_domain: "nobody.example" }, ELEMENTS),
    ...pages("not domain gmail.com", { not: { email_domain: "gmail.com" } }, ELEMENTS),
    ...pages("member of the largest organization", largest, ELEMENTS, BY_TIME),
    ...pages(
      "admin of the largest organization",
      { membership: { ...largest, role: "org:admin" } },
      ELEMENTS,
      BY_TIME,
    ),
    ...pages("member of a small organization", { organization_id: smallOrganization }, ELEMENTS),
    ...pages("admin of any organization", { organization_role: "org:admin" }, ELEMENTS),
    ...pages("nobody's member", { not: { membership: {} } }, ELEMENTS),
    ...pages("account at google", { provider: "google" }, ELEMENTS, BY_TIME),
    ...pages("no account at google", { not: { provider: "google" } }, ELEMENTS),
    ...pages(
      "trial, or of a small organization",
      { or: [trial, { organization_id: smallOrganization }] },
      ELEMENTS,
    ),
    ...pages(
      "of one of two organizations that don't exist",
      { or: [{ organization_id: "org_a" }, { organization_id: "org_b" }] },
      ELEMENTS,
    ),
    ...pages(
      "banned, and created in 30 days",
      { banned: true, created_at: { gte: "now-30d" } },
      ELEMENTS,
      BY_TIME,
    ),
    ...pages("pro, and of the largest organization", { "public_metadata.plan": "pro", ...largest }, ELEMENTS),

    count("plan = pro", { "public_metadata.plan": "pro" }, { counts: 5 }),
    count("seats > 50", { "public_metadata.seats": { gt: 50 } }, { counts: 5 }),
    count("not plan = free", { not: { "public_metadata.plan": "free" } }, { counts: 5 }),
    count("domain gmail.com", { email_domain: "gmail.com" }, { counts: 5 }),
    count("plan = trial", trial, { ms: 20 }),
    count("member of a small organization", { organization_id: smallOrganization }, { ms: 20 }),
    count("plan = pro", { "public_metadata.plan": "pro" }, { ms: 5 }, "estimated"),
    count("nobody's member", { not: { membership: {} } }, { ms: 5 }, "estimated"),

    ...pages(
      "name similar to “micheal johnson”",
      { name: { similar: "micheal johnson" } },
      { 50: { counts: 3 } },
      [["-_score"]],
    ),
    ...pages("name similar to “zoe”", { name: { similar: "zoe" } }, { 50: { counts: 3 } }, [["-_score"]]),
    ...pages("last name similar", { last_name: { similar: lastName } }, { 50: { ms: 60 } }, [["-_score"]]),
    ...pages("first name similar", { first_name: { similar: firstName } }, { 50: { ms: 60 } }, [["-_score"]]),
    ...pages(
      "any similar to “annabel quigley”",
      { any: { similar: "annabel quigley" } },
      { 50: { counts: 10 } },
      [["-_score"]],
    ),

    ...pages("everybody", {}, { 50: { ms: 50 } }, [
      ["last_name", "first_name"],
      ["-last_name", "first_name"],
      ["-created_at", "id"],
      ["-last_active_at", "id"],
    ]),
    ...pages("everybody", {}, { 50: { counts: 6 } }, [
      ["banned", "-created_at"],
      ["-public_metadata.seats", "id"],
    ]),

    groups("sign-ups a day, UTC", { group_by: [day("UTC")], limit: 5000 }, { counts: 4.5 }),
    groups("sign-ups a day, Berlin", { group_by: [day("Europe/Berlin")], limit: 5000 }, { counts: 4.5 }),
    groups(
      "last active a day",
      { group_by: [{ field: "last_active_at", bucket: "day" }], limit: 5000 },
      { counts: 4.5 },
    ),
    groups("plan", { group_by: ["public_metadata.plan"] }, { counts: 6 }),
    groups("domain", { group_by: ["email_domain"], limit: 20 }, { counts: 6 }),
    groups(
      "sign-ups a month × plan",
      { group_by: [{ field: "created_at", bucket: "month" }, "public_metadata.plan"] },
      { counts: 9 },
    ),
    groups(
      "sign-ups a day of plan = pro",
      { filter: { "public_metadata.plan": "pro" }, group_by: [day("UTC")], limit: 5000 },
      { counts: 9 },
    ),
  ];
}
