import { z } from "zod";
import { parseFieldPolicy } from "../lib/field-policy/rules.js";

// How each kind of variable is read. A problem is said without the value, which might be a secret.

/** In Node, a timer of 25 days fires at once. */
const MAX_TIMER_DAYS = 24;

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `500ms`, `60s`, `24h` … A number without a unit is refused, except 0. */
export function duration({ atLeastMs = 0, atMostDays = MAX_TIMER_DAYS } = {}) {
  return z.string().transform((text, context) => {
    const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text === "0" ? "0s" : text) ?? [];
    if (amount === undefined || unit === undefined) {
      return refuse(context, "must be a duration such as 500ms, 60s or 24h");
    }
    const ms = Math.round(Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS]);
    if (ms < atLeastMs) return refuse(context, `must be at least ${atLeastMs}ms`);
    return ms <= atMostDays * UNIT_MS.d ? ms : refuse(context, `must be at most ${atMostDays}d`);
  });
}

const UNIT_BYTES = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
};

/** `64MiB`, `500MB`, `0`, or a number of bytes. */
export function bytes() {
  return z.string().transform((text, context) => {
    const [, amount, unit = "B"] = /^(\d{1,12})(B|KiB|MiB|GiB|KB|MB|GB)?$/.exec(text) ?? [];
    const value = Number(amount ?? Number.NaN) * UNIT_BYTES[unit as keyof typeof UNIT_BYTES];
    return value <= 2 ** 40 ? value : refuse(context, "must be a size such as 64MiB, at most 1024GiB, or 0");
  });
}

export function integer(min: number, max: number) {
  return z.string().transform((text, context) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max
      ? value
      : refuse(context, `must be a whole number from ${min} to ${max}`);
  });
}

/** A decimal fraction from 0 to 1. `above`: 0 itself is refused. */
export function share({ above = false } = {}) {
  return z.string().transform((text, context) => {
    const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
    if ((above ? value > 0 : value >= 0) && value <= 1) return value;
    return refuse(context, above ? "must be a number above 0, at most 1" : "must be a number from 0 to 1");
  });
}

const FLAGS = new Map([
  ["true", true],
  ["on", true],
  ["1", true],
  ["false", false],
  ["off", false],
  ["0", false],
]);

export const flag = z
  .string()
  .transform((text, context) => FLAGS.get(text.toLowerCase()) ?? refuse(context, "must be true or false"));

export function oneOf<const Value extends string>(...values: Value[]) {
  return z
    .string()
    .transform(
      (text, context): Value =>
        values.find((value) => value === text) ?? refuse(context, `must be one of: ${values.join(", ")}`),
    );
}

const httpUrl = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : null;
  const bare = url && !url.username && !url.password && !url.search && !url.hash;
  return bare && /^https?:$/.test(url.protocol)
    ? url.href.replace(/\/+$/, "")
    : refuse(context, "must be a plain http:// or https:// address");
});

/** In the form that Clerk's SDKs take: they, like the mirror, add `/v1` to it. */
export const apiUrl = httpUrl.transform((url, context) =>
  /\/v1$/i.test(url) ? refuse(context, "must be without /v1 at its end: the mirror adds it itself") : url,
);

export const signingSecrets = z.string().transform((text, context) => {
  const secrets = text.split(/[\s,]+/).filter(Boolean);
  return secrets.length > 0 && secrets.every(isSigningSecret)
    ? secrets
    : refuse(context, "must be one or more whsec_… secrets (base64), separated by commas or spaces");
});

/** Only canonical base64: the library that verifies webhooks accepts other spellings too, but decodes them to a different key. */
function isSigningSecret(text: string): boolean {
  const encoded = text.replace(/^whsec_/, "");
  return encoded !== "" && Buffer.from(encoded, "base64").toString("base64") === encoded;
}

export const fieldPolicy = z.string().transform((text, context) => {
  const { rules, problems } = parseFieldPolicy(text);
  return problems.length === 0 ? rules : refuse(context, problems.join("; "));
});

function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}
