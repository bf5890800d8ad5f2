import type { z } from "zod";
import type { Scope } from "../../auth/scopes.js";

/** One operation of the mirror's own, as the document shows it. */
export interface Operation {
  method: "get" | "post" | "delete";
  /** `{…}` stands for one segment. */
  path: string;
  id: string;
  tag: Tag;
  summary: string;
  description?: string;
  /** What a key needs. `open`: nobody needs a key. `any key`: one with any scope, unless OPEN_ROUTES lets everybody in. */
  access: Scope | "open" | "any key";
  parameters?: readonly Parameter[];
  body?: Body;
  status?: 200 | 201 | 202;
  answer: Answer;
  /** Other forms of the same answer, by media type. */
  also?: Readonly<Record<string, z.ZodType>>;
  /** How it fails, beside what every operation can fail with. */
  errors?: readonly ErrorStatus[];
}

export const TAGS = {
  Users: "Clerk's own Users API: four reads are answered from here, all else is forwarded to Clerk.",
  "Clerk's other routes": "Forwarded to Clerk as they are. What their answers say is applied to the mirror.",
  Queries: "What Clerk can't answer: filters, exports, look-ups, counts by groups.",
  Changes: "What changed, in the order of commits.",
  Organizations: "Organizations and their members, from the mirror.",
  Operations: "How the mirror is, its runs, its dead letters and its keys.",
  Server: "Health, webhooks, metrics, and these pages.",
} as const;
export type Tag = keyof typeof TAGS;

export type ErrorStatus = 400 | 404 | 405 | 409 | 410 | 413 | 422 | 431 | 502 | 504;

export interface Answer {
  description: string;
  /** Of JSON. Absent: the answer isn't described. */
  schema?: z.ZodType;
  /** Absent: JSON. */
  type?: string;
}

export interface Parameter {
  name: string;
  in: "query" | "path" | "header";
  description: string;
  schema: z.ZodType;
  /** By name; each is tried by a test. A path's first one stands for all. */
  examples?: Examples;
}

export interface Body {
  type?: string;
  description?: string;
  mostBytes: number;
  schema: z.ZodType;
  isOptional?: boolean;
  examples: Examples;
}

export type Examples = Readonly<Record<string, unknown>>;
