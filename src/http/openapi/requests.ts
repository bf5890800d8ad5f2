import { z } from "zod";
import { BUCKETS } from "../../query/aggregate/buckets.js";
import { COHORTS, MOST_PERIODS, USUAL_PERIODS } from "../../query/aggregate/cohorts-request.js";
import { ACTIVE_DAY, MOST_GROUPS, MOST_ROWS, ORDERS, USUAL_ROWS } from "../../query/aggregate/request.js";
import { LOOKUP_KEYS, MOST_KEYS } from "../../query/language/lookup-request.js";
import { DEFAULT_ORDER, MOST_ORDERS } from "../../query/language/orders.js";
import { MOST_FIELDS } from "../../query/language/projection.js";
import { MOST_LIMIT, USUAL_LIMIT } from "../../query/language/request.js";
import { wantedKey } from "../routes/keys.js";
import { reconcileBody } from "../routes/runs.js";
import { component } from "./components.js";
import { filter } from "./filter.js";

/** Bodies of requests. Null stands for what isn't given, but for a filter. */

/** Said in words: generators of types take a member with a default for one that is always there. */
const usually = (value: unknown) => `The default is ${JSON.stringify(value)}.`;

const fields = z
  .array(z.string())
  .min(1)
  .max(MOST_FIELDS)
  .nullable()
  .optional()
  .describe("Members of Clerk's user, fields of filters, and metadata paths; null: whole users.");
const timeZone = z
  .string()
  .nullable()
  .optional()
  .describe("A name such as Europe/Berlin; the default is UTC.");

export const userQuery = component(
  "UserQuery",
  z.strictObject({
    filter: filter.optional(),
    order_by: z
      .array(z.string())
      .max(MOST_ORDERS)
      .nullable()
      .optional()
      .describe(
        `Fields and metadata paths, - before one for descending; _score ranks by similar. ${usually(DEFAULT_ORDER)}`,
      ),
    limit: z.int().min(1).max(MOST_LIMIT).nullable().optional().describe(usually(USUAL_LIMIT)),
    cursor: z
      .string()
      .nullable()
      .optional()
      .describe("next_cursor of the page before, with the same filter, orders and fields."),
    fields,
    count: z
      .union([z.boolean(), z.literal("estimated")])
      .nullable()
      .optional()
      .describe(usually(false)),
  }),
);

export const lookup = component(
  "Lookup",
  z.strictObject({ by: z.enum(LOOKUP_KEYS), keys: z.array(z.string()).max(MOST_KEYS), fields }),
);

const group = component(
  "Group",
  z.union([
    z.string(),
    z.strictObject({
      field: z.string().describe(`A field, a metadata path, or ${ACTIVE_DAY}: the days of activity.`),
      bucket: z.enum(BUCKETS).nullable().optional().describe("Of a time; needed there."),
      time_zone: timeZone,
    }),
  ]),
);

export const aggregate = component(
  "Aggregate",
  z.strictObject({
    filter: filter.optional(),
    group_by: z.array(group).max(MOST_GROUPS).nullable().optional(),
    order_by: z.array(z.enum(ORDERS)).max(2).nullable().optional(),
    limit: z.int().min(1).max(MOST_ROWS).nullable().optional().describe(usually(USUAL_ROWS)),
    cumulative: z.boolean().nullable().optional().describe("Running totals; the first group must be a time."),
  }),
);

export const retention = component(
  "Retention",
  z.strictObject({
    filter: filter.optional(),
    cohort: z.enum(COHORTS).nullable().optional().describe(usually("week")),
    periods: z.int().min(1).max(MOST_PERIODS).nullable().optional().describe(usually(USUAL_PERIODS)),
    time_zone: timeZone,
  }),
);

export const reconcile = component("Reconcile", reconcileBody);
export const newKey = component("NewKey", wantedKey);
