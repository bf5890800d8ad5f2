import { z } from "zod";
import { RECENT } from "../../../changes/cursor.js";
import { DEFAULT_ROWS, MOST_ROWS, MOST_WAIT_SECONDS } from "../../routes/changes.js";
import { changePage, memberPage, organization, organizationPage, userHistory } from "../answers.js";
import type { Operation, Parameter } from "../operation.js";
import { ORGANIZATION_ID, USER_ID } from "./ids.js";

const page = (what: string): readonly Parameter[] => [
  {
    ...{ name: "query", in: "query", schema: z.string().max(256) },
    description: `Text that is looked for in ${what}.`,
    examples: { "a text": "acme" },
  },
  {
    ...{ name: "limit", in: "query", schema: z.int().min(1).max(500).meta({ default: 50 }) },
    description: "Rows on a page.",
    examples: { ten: 10 },
  },
  {
    ...{ name: "cursor", in: "query", schema: z.string() },
    description: "next_cursor of the page before, with the same query.",
  },
];

export const CHANGES: readonly Operation[] = [
  {
    ...{ method: "get", path: "/mirror/changes", id: "listChanges", tag: "Changes" },
    summary: "Follow what changes",
    description:
      "Every change in commit order, none skipped, at least once. With `Accept: text/event-stream` the same live, as server-sent events: `change`, `bookmark`, `reset`; `Last-Event-ID` says where to go on.",
    access: "changes:read",
    parameters: [
      {
        ...{ name: "after", in: "query", schema: z.string().meta({ default: "start" }) },
        description: `start, recent (the newest ${RECENT} changes), now, or a cursor.`,
        examples: { "from now on": "now" },
      },
      {
        ...{ name: "limit", in: "query" },
        schema: z.int().min(1).max(MOST_ROWS).meta({ default: DEFAULT_ROWS }),
        description: "Changes on a page.",
        examples: { ten: 10 },
      },
      {
        ...{ name: "types", in: "query", schema: z.string() },
        description: "Some of user, organization, membership, separated by commas.",
        examples: { "users and memberships": "user,membership" },
      },
      {
        ...{ name: "include", in: "query", schema: z.literal("object") },
        description: "The object as it is now. The key needs users:read too.",
        examples: { objects: "object" },
      },
      {
        ...{ name: "wait", in: "query", schema: z.int().min(0).max(MOST_WAIT_SECONDS).meta({ default: 0 }) },
        description: "Seconds for which an empty answer is held until something commits.",
        examples: { "not at all": 0 },
      },
    ],
    answer: { description: "A page of changes.", schema: changePage },
    also: { "text/event-stream": z.string() },
    errors: [410, 422],
  },
  {
    ...{ method: "get", path: "/mirror/users/{id}/history", id: "readUserHistory", tag: "Changes" },
    summary: "What told the mirror about a user",
    access: "changes:read",
    parameters: [USER_ID("id")],
    answer: { description: "What is known of it, the newest first.", schema: userHistory },
    errors: [404],
  },
  {
    ...{ method: "get", path: "/mirror/organizations", id: "listOrganizations", tag: "Organizations" },
    summary: "List organizations",
    access: "users:read",
    parameters: page("the id, the name or the slug"),
    answer: { description: "A page of organizations, the newest first.", schema: organizationPage },
    errors: [422],
  },
  {
    ...{ method: "get", path: "/mirror/organizations/{id}", id: "readOrganization", tag: "Organizations" },
    summary: "Get an organization",
    description: "With how its members became as many as they are.",
    access: "users:read",
    parameters: [ORGANIZATION_ID],
    answer: { description: "The organization.", schema: organization },
    errors: [404],
  },
  {
    ...{ method: "get", path: "/mirror/organizations/{id}/members", id: "listMembers", tag: "Organizations" },
    summary: "List an organization's members",
    access: "users:read",
    parameters: [ORGANIZATION_ID, ...page("the role, or in what Clerk's query looks at of the user")],
    answer: { description: "A page of members.", schema: memberPage },
    errors: [404, 422],
  },
];
