import { z } from "zod";
import { MOST_LIMIT, USUAL_LIMIT } from "../../../query/language/request.js";
import { BODY_BYTES } from "../../body-limits.js";
import { MOST_DAYS } from "../../routes/daily-users.js";
import { cohorts, dailyUsers, foundUsers, groups, userPage } from "../answers.js";
import type { Operation } from "../operation.js";
import { aggregate, lookup, retention, userQuery } from "../requests.js";

const STREAMS = {
  "application/x-ndjson": z.string().describe("The whole result, a user a line, ordered by id."),
  "text/csv": z.string().describe("The whole result with a row of headers, ordered by id."),
};
const STREAMED =
  "With `Accept: application/x-ndjson` or `text/csv` the whole result is streamed, ordered by id, without pages.";

export const QUERIES: readonly Operation[] = [
  {
    ...{ method: "post", path: "/mirror/users/query", id: "queryUsers", tag: "Queries" },
    summary: "Query users by a filter",
    description: `A page of the users that match. ${STREAMED}`,
    access: "users:read",
    body: {
      schema: userQuery,
      mostBytes: BODY_BYTES.filter,
      examples: {
        everybody: {},
        "by metadata and sign-up": {
          filter: { "public_metadata.plan": "pro", created_at: { gte: "now-30d" }, not: { banned: true } },
          order_by: ["-last_active_at", "id"],
          limit: 50,
          fields: ["id", "first_name", "email_address", "public_metadata.plan"],
          count: true,
        },
        "admins of an organization": {
          filter: { membership: { organization_id: "org_2ZqC6ZqQkFlJ8cY3F0Qd4cQeJ1V", role: "org:admin" } },
        },
        "any of several": {
          filter: { or: [{ email_domain: ["acme.com", "acme.org"] }, { any: { contains: "acme" } }] },
          count: "estimated",
        },
        "the most similar names": { filter: { name: { similar: "catherine" } }, order_by: ["-_score"] },
      },
    },
    answer: { description: "A page of users.", schema: userPage },
    also: STREAMS,
    errors: [400, 422],
  },
  {
    ...{ method: "get", path: "/mirror/users", id: "queryUsersByLink", tag: "Queries" },
    summary: "Query users by a link",
    description: `The same as parameters. A filter that begins with { is JSON; any other is a SCIM 2.0 filter (RFC 7644). ${STREAMED}`,
    access: "users:read",
    parameters: [
      {
        ...{ name: "filter", in: "query", schema: z.string() },
        description: "In JSON or SCIM.",
        examples: {
          SCIM: 'emails[domain eq "acme.com" and verified eq true] and active eq true',
          JSON: '{"public_metadata.plan":"pro"}',
        },
      },
      {
        ...{ name: "order_by", in: "query", schema: z.string() },
        description: "Fields, separated by commas, - before one for descending.",
        examples: { "last active first": "-last_active_at,id" },
      },
      {
        ...{ name: "limit", in: "query" },
        schema: z.int().min(1).max(MOST_LIMIT).meta({ default: USUAL_LIMIT }),
        description: "Users on a page.",
        examples: { ten: 10 },
      },
      {
        ...{ name: "cursor", in: "query", schema: z.string() },
        description: "next_cursor of the page before, with the same filter, orders and fields.",
      },
      {
        ...{ name: "fields", in: "query", schema: z.string() },
        description: "As in the body, separated by commas.",
        examples: { "what a list needs": "id,first_name,last_name,email_address" },
      },
      {
        ...{ name: "count", in: "query", schema: z.enum(["true", "false", "estimated"]) },
        description: "Whether to answer total_count.",
        examples: { estimated: "estimated" },
      },
    ],
    answer: { description: "A page of users.", schema: userPage },
    also: STREAMS,
    errors: [422],
  },
  {
    ...{ method: "post", path: "/mirror/users/lookup", id: "lookUpUsers", tag: "Queries" },
    summary: "Look up many users at once",
    description: "One user or null for each key, in the keys' order.",
    access: "users:read",
    body: {
      schema: lookup,
      mostBytes: BODY_BYTES.lookup,
      examples: {
        "by e-mail address": {
          ...{ by: "email_address", keys: ["ann@acme.com", "bob@acme.com"] },
          fields: ["id", "first_name"],
        },
        "by id": { by: "id", keys: ["user_29w83sxmDNGwOuEthce5gg56FcC"] },
      },
    },
    answer: { description: "The users.", schema: foundUsers },
    errors: [400, 422],
  },
  {
    ...{ method: "post", path: "/mirror/users/aggregate", id: "aggregateUsers", tag: "Queries" },
    summary: "Count users by groups",
    access: "users:read",
    body: {
      schema: aggregate,
      mostBytes: BODY_BYTES.filter,
      examples: {
        "all of them": {},
        "by plan": { group_by: ["public_metadata.plan"], order_by: ["-count"] },
        "sign-ups by day": {
          filter: { created_at: { gte: "now-30d" } },
          group_by: [{ field: "created_at", bucket: "day", time_zone: "Europe/Berlin" }],
          cumulative: true,
        },
        "monthly active users": { group_by: [{ field: "active_day", bucket: "month" }] },
      },
    },
    answer: { description: "The groups.", schema: groups },
    errors: [400, 422],
  },
  {
    ...{ method: "post", path: "/mirror/users/retention", id: "retainUsers", tag: "Queries" },
    summary: "Count who comes back",
    description: "Of those created in each week or month, how many were active in each one after.",
    access: "users:read",
    body: {
      schema: retention,
      mostBytes: BODY_BYTES.filter,
      examples: { "twelve weeks": {}, "by month": { cohort: "month", periods: 6 } },
    },
    answer: { description: "A row for each cohort.", schema: cohorts },
    errors: [400, 422],
  },
  {
    ...{ method: "get", path: "/mirror/users/daily", id: "listDays", tag: "Queries" },
    summary: "Users by UTC day",
    description: "How many there were, were created, deleted and active.",
    access: "users:read",
    parameters: (["from", "to"] as const).map((name) => ({
      ...{ name, in: "query" as const, schema: z.string().regex(/^\d{4}-\d\d-\d\d$/) },
      description: `YYYY-MM-DD, included. By default the last thirty days; at most ${MOST_DAYS}.`,
      examples: { "a day": name === "from" ? "2025-01-01" : "2027-01-31" },
    })),
    answer: { description: "A row a day.", schema: dailyUsers },
    errors: [422],
  },
];
