import { badParam, unknownParam } from "./failure.js";
import { METADATA, metadataParam } from "./metadata.js";
import type { Json } from "./types.js";

/** Reads the parameters of a request's body one by one. Throws Clerk's answer for those it would refuse. */
export function refuseUnknown(body: Json, known: ReadonlySet<string>): void {
  for (const name of Object.keys(body)) if (!known.has(name)) throw unknownParam(name);
}

/** Undefined when it isn't given. Null and the empty string both remove the value. */
export function textParam(body: Json, name: string): string | null | undefined {
  const value = body[name];
  if (value === undefined) return undefined;
  if (value === null || value === "") return null;
  if (typeof value === "string") return value;
  throw badParam(name, "form_param_type_invalid", `${name} must be a string.`);
}

export function flagParam(body: Json, name: string): boolean | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "boolean") return value;
  throw badParam(name, "form_param_type_invalid", `${name} must be a boolean.`);
}

export function listParam(body: Json, name: string): string[] {
  const value = body[name] ?? [];
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value;
  throw badParam(name, "form_param_type_invalid", `${name} must be an array of strings.`);
}

/** Milliseconds from a date in RFC 3339. */
export function timeParam(body: Json, name: string): number | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  const at = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw badParam(name, "form_param_invalid_time", `${name} must be a time in RFC 3339.`);
}

export function metadataParams(body: Json): Partial<Record<(typeof METADATA)[number], Json>> {
  const given = METADATA.filter((name) => body[name] !== undefined && body[name] !== null);
  return Object.fromEntries(given.map((name) => [name, metadataParam(name, body[name])]));
}

export function emailParam(value: string): string {
  if (/^[^\s@]+@[^\s@]+$/u.test(value)) return value;
  throw badParam(
    "email_address",
    "form_param_format_invalid",
    "email_address must be a valid email address.",
  );
}

export function phoneParam(value: string): string {
  if (/^\+\d{5,15}$/.test(value)) return value;
  throw badParam(
    "phone_number",
    "form_param_format_invalid",
    "phone_number must be a valid phone number in E.164.",
  );
}

/** Throws the matching error of Clerk's, such as `form_identifier_exists`, when another user has it. */
export function refuseTaken(isTaken: boolean, name: string, code = "form_identifier_exists"): void {
  if (isTaken) throw badParam(name, code, `That ${name.replaceAll("_", " ")} is taken. Please try another.`);
}
