import { z } from "zod";
import type { UserHistory } from "../../operations/user-history.js";
import type { DailyUsers } from "../../query/daily-users.js";
import type { ListedOrganization, Member, OrganizationDetail } from "../../query/organizations.js";
import { component, ofClerk } from "./components.js";

/** Answers about users, organizations and changes. Times are milliseconds since 1970. */

const user = ofClerk("User");

const shownUser = component(
  "ShownUser",
  z
    .union([user, z.record(z.string(), z.unknown())])
    .describe("A user as Clerk shows it; with fields, an object of what they name."),
);
const cursor = z.string().nullable().describe("Null: this is the last page.");
const count = z.int().min(0);
const time = z.int();
const day = z.string().describe("YYYY-MM-DD");

export const userPage = component(
  "UserPage",
  z.object({
    data: z.array(shownUser),
    next_cursor: cursor,
    total_count: count.optional().describe("Only if count asks for it."),
    total_count_estimated: z.literal(true).optional(),
    changes_cursor: z.string().describe("For GET /mirror/changes: copy first, follow then."),
  }),
);

export const foundUsers = component(
  "FoundUsers",
  z.object({ data: z.array(shownUser.nullable()).describe("One for each key, in their order.") }),
);

export const groups = component(
  "Groups",
  z.object({
    data: z.array(
      z.object({
        keys: z
          .array(z.union([z.string(), z.number(), z.boolean(), z.null()]))
          .optional()
          .describe("One for each group of the request; absent without any."),
        count,
      }),
    ),
    other: count.describe("What limit cut off."),
    total: count.describe("Users, each counted once."),
  }),
);

export const cohorts = component(
  "Cohorts",
  z.object({
    data: z.array(
      z.object({
        cohort: day.describe("Its first day."),
        users: count,
        active: z
          .array(count.nullable())
          .describe("Null: the history of activity doesn't reach there, or the period hasn't begun."),
      }),
    ),
  }),
);

export const dailyUsers = component(
  "Days",
  z.object({ data: z.array(dayOfUsers()).describe("The oldest first; none before the first user.") }),
);

function dayOfUsers(): z.ZodType<DailyUsers> {
  return z.object({
    day,
    users: count,
    created: count,
    deleted: count.nullable(),
    active: count.nullable().describe("Null: before the mirror's first day."),
    active_complete: z.boolean().describe("They agree with Clerk's own count."),
  });
}

const change = component(
  "Change",
  z.object({
    cursor: z.string().describe("Where to go on."),
    type: z.enum([
      ...(["user.upserted", "user.deleted", "organization.upserted", "organization.deleted"] as const),
      ...(["membership.upserted", "membership.deleted"] as const),
    ]),
    id: z.string(),
    version: z.int().describe("updated_at of what was stored; 0 for deletions."),
    at: time.describe("When it was committed."),
    object: z
      .record(z.string(), z.unknown())
      .nullable()
      .optional()
      .describe("With include=object: the state now, in Clerk's shape; null for what is deleted."),
  }),
);

export const changePage = component(
  "ChangePage",
  z.object({
    data: z.array(change),
    next_cursor: z.string(),
    has_more: z.boolean(),
    as_of: time.nullable().describe("Up to when the mirror was proved complete; null: not yet."),
  }),
);

const listedOrganization: z.ZodType<ListedOrganization> = component(
  "ListedOrganization",
  z.object({
    id: z.string(),
    name: z.string().nullable(),
    slug: z.string().nullable(),
    created_at: time,
    members: count,
  }),
);
export const organizationPage = component(
  "OrganizationPage",
  z.object({ data: z.array(listedOrganization), next_cursor: cursor }),
);

export const organization: z.ZodType<OrganizationDetail> = component(
  "OrganizationDetail",
  z.object({
    id: z.string(),
    name: z.string().nullable(),
    slug: z.string().nullable(),
    created_at: time,
    members: count,
    roles: z.array(z.object({ role: z.string().nullable(), count })),
    joined: z
      .array(z.object({ day, count }))
      .describe("By UTC day: how many of today's members joined on it."),
    public_metadata: z.unknown(),
  }),
);

const member: z.ZodType<Member> = component(
  "Member",
  z.object({
    user_id: z.string(),
    role: z.string().nullable(),
    created_at: time.describe("When the user joined."),
    username: z.string().nullable(),
    first_name: z.string().nullable(),
    last_name: z.string().nullable(),
    email_address: z.string().nullable(),
  }),
);
export const memberPage = component("MemberPage", z.object({ data: z.array(member), next_cursor: cursor }));

export const userHistory: z.ZodType<UserHistory> = component(
  "UserHistory",
  z.object({
    stored: z
      .object({
        source: z.enum(["embedded", "webhook", "api"]),
        updated_at: time,
        observed_at: time,
        deleted_at: time.nullable(),
      })
      .nullable(),
    waiting: z
      .object({ reason: z.string(), since: time, attempts: count, next_at: time })
      .nullable()
      .describe("Clerk will be asked about the user."),
    events: z
      .array(
        z.discriminatedUnion("kind", [
          z.object({
            ...{ kind: z.literal("webhook"), at: time, type: z.string().nullable() },
            ...{ outcome: z.string(), message_id: z.string() },
          }),
          z.object({
            ...{ kind: z.literal("change"), at: time, type: z.string(), id: z.string(), version: z.int() },
          }),
          z.object({
            ...{ kind: z.literal("run"), at: time, run_id: z.string(), mode: z.string(), reason: z.string() },
          }),
          z.object({
            ...{ kind: z.literal("dead_letter"), at: time, type: z.string().nullable(), id: z.string() },
          }),
        ]),
      )
      .describe("The newest first."),
    since: z
      .object({ webhooks: time.nullable(), changes: time.nullable() })
      .describe("Back to when these were looked through."),
  }),
);
