import type { Scope } from "../../auth/scopes.js";
import type { JsonSchema } from "./components.js";
import type { ErrorStatus, Examples } from "./operation.js";

/** Pieces of which all operations are made. */

export const JSON_TYPE = "application/json";

/** OpenAPI 3.1 names here what a key must be allowed. */
export const securityOf = (scope: Scope | null): JsonSchema[] => [{ bearerAuth: scope ? [scope] : [] }];

export const examplesOf = (examples: Examples): JsonSchema =>
  Object.fromEntries(
    Object.entries(examples).map(([summary, value]) => [
      summary.replaceAll(/[^\w]+/g, "-"),
      { summary, value },
    ]),
  );

const ERRORS: Record<ErrorStatus | 401 | 403 | 429 | 503, string> = {
  400: "The request can't be read.",
  401: "No key was sent, or one that isn't known.",
  403: "The key lacks the scope that meta.scope names.",
  404: "There is nothing at this address, or nothing with this id.",
  405: "This method isn't for this address.",
  409: "It is there already.",
  410: "The cursor has expired. meta says the oldest one, and how to copy anew.",
  413: "The body is too large.",
  422: "A parameter or member is wrong. meta.param_name says which.",
  429: "The key's limits are reached. Retry-After says when to try again.",
  431: "The headers are too large.",
  502: "Clerk can't be reached, or its answer is none.",
  503: "The mirror can't answer now. Retry-After says when to try again.",
  504: "Clerk didn't answer in time.",
};

const EVERYWHERE = [401, 403, 429, 503] as const;
const nameOf = (status: number | string) => `Error${status}`;

/** What every operation that needs a key can fail with, and these. */
export const errorsOf = (statuses: readonly ErrorStatus[]): JsonSchema =>
  Object.fromEntries(
    [...EVERYWHERE, ...statuses].map((status) => [
      status,
      { $ref: `#/components/responses/${nameOf(status)}` },
    ]),
  );

export function errorResponses(): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(ERRORS).map(([status, description]) => [
      nameOf(status),
      {
        description,
        ...(/^(429|503)$/.test(status) && {
          headers: { "Retry-After": { description: "Seconds.", schema: { type: "integer" } } },
        }),
        content: { [JSON_TYPE]: { schema: { $ref: "#/components/schemas/ClerkErrors" } } },
      },
    ]),
  );
}
