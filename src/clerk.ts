import { z } from "zod";
import { AppError } from "./lib/errors.js";

/** A JSON object as Clerk sent it: key order and unknown fields kept. */
export type Json = Record<string, unknown>;

// Clerk's payloads run ahead of its published schema, and old ones lack fields that the schema requires. So only what
// the mirror can't work without is demanded here, and everything else is read leniently. Zod looks at these members
// alone: its loose objects copy all others along, which takes as long as parsing them. Ids are index keys and parts
// of file names and log lines, so they must be visible ASCII, as every id is that Clerk ever made.
const id = z.string().regex(/^[!-~]{1,200}$/, "is no id");
const MAX_TIME_MS = 8.64e15;
const timeMs = z.number().int().min(0).max(MAX_TIME_MS);

/** Whether it can be stored as a time: both JavaScript's dates and Postgres' know it. */
export const isTimeMs = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_TIME_MS;

const userSchema = z.object({ id, created_at: timeMs, updated_at: timeMs });
const organizationSchema = z.object({ id, created_at: timeMs, updated_at: timeMs });
const membershipSchema = z.object({
  id,
  created_at: timeMs,
  updated_at: timeMs,
  organization: z.object({ id }),
  public_user_data: z.object({ user_id: id }),
});
const deletedSchema = z.object({ id });
const sessionSchema = z.object({
  user_id: id,
  created_at: timeMs.nullish(),
  last_active_at: timeMs.nullish(),
  user: z.object({}).nullish(),
});

export type ClerkUser = Json & { id: string; created_at: number; updated_at: number };
export type ClerkOrganization = Json & { id: string; created_at: number; updated_at: number };
export type ClerkMembership = Json & {
  id: string;
  created_at: number;
  updated_at: number;
  organization: Json & { id: string };
  public_user_data: Json & { user_id: string };
};
export type ClerkSession = Json & {
  user_id: string;
  created_at?: number | null;
  last_active_at?: number | null;
  user?: Json | null;
};

/** Throws `invalid_payload`, naming the field. Returns the object that it was given: zod would reorder its keys. */
export const parseUser = (value: unknown): ClerkUser => parse(userSchema, value, "user");
export const parseOrganization = (value: unknown): ClerkOrganization =>
  parse(organizationSchema, value, "organization");
export const parseMembership = (value: unknown): ClerkMembership =>
  parse(membershipSchema, value, "membership");
export const parseSession = (value: unknown): ClerkSession => parse(sessionSchema, value, "session");
export const parseDeleted = (value: unknown): Json & { id: string } =>
  parse(deletedSchema, value, "deleted object");

function parse<T>(schema: z.ZodType, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new AppError(
      "invalid_payload",
      `not a usable ${what}: ${issue?.path.join(".") || "it"}: ${issue?.message}`,
    );
  }
  return value as T;
}

/**
 * Clerk documents the time of a webhook in milliseconds and shows it in seconds. No date before 1973 is meant, so the
 * size tells.
 */
function envelopeTimeMs(timestamp: number): number {
  return timestamp < 1e11 ? timestamp * 1000 : timestamp;
}

export interface WebhookEvent {
  type: string;
  data: unknown;
  timestampMs: number | null;
  instanceId: string | null;
}

const envelopeSchema = z.object({
  type: z.string().min(1),
  data: z.unknown().optional(),
  timestamp: z.number().positive().max(MAX_TIME_MS).nullish().catch(null),
  instance_id: z.string().nullish().catch(null),
});

/** The envelope of a webhook; throws `invalid_payload` without a `type`. */
export function parseWebhookEvent(value: unknown): WebhookEvent {
  const event = parse<z.infer<typeof envelopeSchema>>(envelopeSchema, value, "event");
  return {
    type: event.type,
    data: event.data ?? null,
    timestampMs: typeof event.timestamp === "number" ? envelopeTimeMs(event.timestamp) : null,
    instanceId: typeof event.instance_id === "string" ? event.instance_id : null,
  };
}
