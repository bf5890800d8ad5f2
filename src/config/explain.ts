import { parseConnectionString } from "../lib/connection/string.js";
import { aboutOf, defaultOf, type VariableName, variableNames, variables } from "./variables.js";

type Environment = Readonly<Record<string, string | undefined>>;

/** One variable: what it is for, what holds, and who said so. */
export interface ExplainedVariable {
  name: VariableName;
  description: string;
  /** As one would write it; of a secret only what is none. Null: it isn't set, and `default` says what holds. */
  value: string | null;
  default: string;
  /** `file`: the one that `NAME_FILE` names. */
  source: "environment" | ".env" | "file" | "default";
  secret: boolean;
}

/** Every variable. `fromDotEnv`: the names that only `.env` sets. Nothing is read from files. */
export function explainConfig(env: Environment, fromDotEnv: ReadonlySet<string>): ExplainedVariable[] {
  return variableNames.map((name) => {
    const { description, isSecret = false, otherwise = "none" } = aboutOf(name);
    const given = env[name]?.trim() || null;
    const file = isSecret ? env[`${name}_FILE`]?.trim() : undefined;
    return {
      ...{ name, description, secret: isSecret },
      value: given ? shown(name, given) : file ? HIDDEN : defaultOf(name),
      default: defaultOf(name) ?? otherwise,
      source: given ? sourceOf(name, fromDotEnv) : file ? "file" : "default",
    };
  });
}

const sourceOf = (name: string, fromDotEnv: ReadonlySet<string>) =>
  fromDotEnv.has(name) ? ".env" : "environment";

const HIDDEN = "••••";

/** What can't be read might be a secret in the wrong place. */
function shown(name: VariableName, text: string): string {
  if (!variables.shape[name].safeParse(text).success) return `${HIDDEN} (can't be read)`;
  if (!aboutOf(name).isSecret) return text;
  if (name === "DATABASE_URL") return shownDatabase(text);
  if (name === "CLERK_SECRET_KEY") return `${text.slice(0, "sk_test_".length)}${HIDDEN}`;
  if (name !== "CLERK_WEBHOOK_SIGNING_SECRET") return HIDDEN;
  return text
    .split(/[\s,]+/)
    .filter(Boolean)
    .map(() => `whsec_${HIDDEN}`)
    .join(" ");
}

/** Where it leads and who asks, and nothing else that stands in it. */
function shownDatabase(text: string): string {
  try {
    const { values } = parseConnectionString(text);
    const place = ["host", "port", "user", "dbname"].flatMap((key) => {
      const value = values[key as keyof typeof values];
      return value === undefined || value === "" ? [] : [`${key}=${value}`];
    });
    return place.join(" ") || HIDDEN;
  } catch {
    return `${HIDDEN} (can't be read)`;
  }
}
