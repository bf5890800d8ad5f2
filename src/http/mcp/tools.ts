import { z } from "zod";
import { MOST_ROWS } from "../../query/aggregate/request.js";
import { MOST_LIMIT } from "../../query/language/request.js";

/** Asks one of the mirror's own routes with the key of the request that is served: scopes and limits are the route's. */
export type AskRoute = (method: "GET" | "POST", path: string, body?: unknown) => Promise<RouteAnswer>;

export interface RouteAnswer {
  status: number;
  text: string;
}

/** A tool only reads. What it answers is the answer of one route. */
export interface Tool {
  name: string;
  title: string;
  description: string;
  /** Arguments as a client may send them. The route judges what stands inside a filter. */
  input: z.ZodType;
  /** `args`: what `input` made of them. */
  ask(args: unknown, route: AskRoute): Promise<RouteAnswer>;
}

/** Of one answer. */
const MOST_USERS = 100;
const USUAL_USERS = 20;
const MOST_GROUPS = 1000;

const filter = z
  .record(z.string(), z.unknown())
  .describe(
    'Which users; all entries must hold, {} is everybody. Examples: {"public_metadata.plan": "pro"}; {"created_at": {"gte": "now-30d"}}; {"email_domain": ["acme.com", "acme.org"]}; {"any": {"contains": "ann"}}; {"not": {"banned": true}}; {"membership": {"organization_id": "org_1", "role": "org:admin"}}.',
  );
const orderBy = z
  .array(z.string())
  .describe('Fields, with "-" before one for descending: ["-last_active_at", "id"].');

export const TOOLS: readonly Tool[] = [
  tool({
    name: "query_users",
    title: "Query users",
    description: `Users that match a filter, a page of at most ${MOST_USERS}. next_cursor, sent back as cursor with the same arguments, leads to the next page. Name the fields that you need: whole users are long.`,
    input: z.strictObject({
      filter: filter.optional(),
      order_by: orderBy.optional(),
      limit: z
        .int()
        .min(1)
        .optional()
        .describe(`Users on a page: ${USUAL_USERS} if absent, ${MOST_USERS} at most.`),
      cursor: z.string().nullable().optional().describe("The next_cursor of the page before."),
      fields: z
        .array(z.string())
        .optional()
        .describe('Members of the user to answer: ["id", "first_name", "email_address", "created_at"].'),
      count: z
        .union([z.boolean(), z.literal("estimated")])
        .optional()
        .describe("Whether to answer total_count too."),
    }),
    ask: ({ limit = USUAL_USERS, ...query }, route) =>
      route("POST", "/mirror/users/query", { ...query, limit: atMost(MOST_USERS, limit, MOST_LIMIT) }),
  }),
  tool({
    name: "count_users",
    title: "Count users",
    description: "How many users match a filter, exactly, as total_count.",
    input: z.strictObject({ filter: filter.optional() }),
    async ask(query, route) {
      const page = { ...query, fields: ["id"], limit: 1, count: true };
      const { status, text } = await route("POST", "/mirror/users/query", page);
      if (status !== 200) return { status, text };
      const { total_count } = JSON.parse(text) as { total_count: number };
      return { status, text: JSON.stringify({ total_count }) };
    },
  }),
  tool({
    name: "aggregate_users",
    title: "Count users by groups",
    description: `How many users there are in each group: by plan, domain, day of sign-up, day of activity. At most ${MOST_GROUPS} groups; other counts the users of those left out.`,
    input: z.strictObject({
      filter: filter.optional(),
      group_by: z
        .array(z.union([z.string(), z.record(z.string(), z.unknown())]))
        .optional()
        .describe(
          'Fields, or times with a bucket (hour, day, week, month): ["public_metadata.plan"]; [{"field": "created_at", "bucket": "month", "time_zone": "Europe/Berlin"}]; [{"field": "active_day", "bucket": "day"}].',
        ),
      order_by: orderBy.optional().describe("count, -count, key or -key."),
      limit: z.int().min(1).optional().describe(`Groups: ${MOST_GROUPS} if absent and at most.`),
      cumulative: z.boolean().optional().describe("Running totals, where a time is the first group."),
    }),
    ask: ({ limit = MOST_GROUPS, ...query }, route) =>
      route("POST", "/mirror/users/aggregate", { ...query, limit: atMost(MOST_GROUPS, limit, MOST_ROWS) }),
  }),
  tool({
    name: "get_user",
    title: "Get a user",
    description: "One user by id, as Clerk describes them.",
    // Both names are used for it, by the API's paths and by its objects.
    input: z.preprocess(
      named("user_id", "id"),
      z.strictObject({
        id: z
          .string()
          .regex(/^user_\w{1,64}$/, "must be a user's id: user_…")
          .describe("user_…"),
      }),
    ),
    ask: ({ id }, route) => route("GET", `/v1/users/${id}`),
  }),
  tool({
    name: "mirror_status",
    title: "Status of the mirror",
    description:
      "Whether the mirror is complete and up to date: counts, proof, runs, drift, dead letters. The key needs the scope admin.",
    input: z.strictObject({}),
    ask: (_, route) => route("GET", "/mirror/status"),
  }),
];

function tool<Args>(told: Told<Args>): Tool {
  return { ...told, ask: (args, route) => told.ask(args as Args, route) };
}

type Told<Args> = Omit<Tool, "input" | "ask"> & {
  input: z.ZodType<Args>;
  ask(args: Args, route: AskRoute): Promise<RouteAnswer>;
};

/** What is more than the route itself allows is left to be refused by it. */
const atMost = (most: number, limit: number, mostOfRoute: number) =>
  limit <= mostOfRoute ? Math.min(most, limit) : limit;

function named(alias: string, name: string) {
  return (args: unknown) => {
    if (typeof args !== "object" || args === null) return args;
    // With both it isn't told which of them is meant: the schema refuses the one that it doesn't know.
    if (!Object.hasOwn(args, alias) || Object.hasOwn(args, name)) return args;
    const { [alias]: value, ...rest } = args as Record<string, unknown>;
    return { ...rest, [name]: value };
  };
}
