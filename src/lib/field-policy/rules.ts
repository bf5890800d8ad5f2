import { keysIn } from "../key-path.js";
import { CONTAINERS, KEPT_MEMBERS, MEMBERS, type PolicyKind } from "./members.js";

export type PolicyAction = "drop" | "hash";

/** What becomes of a member. `path`: its keys; arrays on the way are gone through, and `**` first stands for any depth. */
export interface PolicyRule {
  action: PolicyAction;
  kind: PolicyKind;
  path: readonly string[];
}

/** In a path's first place: the member wherever it stands. */
export const ANYWHERE = "**";

const KINDS: readonly PolicyKind[] = ["user", "organization", "membership"];
const MOST_RULES = 200;
const RULE = /(?:[^",;\n]|"(?:[^"\\]|\\.)*")+/g;

/**
 * Reads `drop phone_numbers, hash email_addresses.email_address, drop organization.private_metadata`: rules between commas,
 * semicolons or line breaks, each an action and a member of a user, or behind its name of another kind. Each problem names its rule.
 */
export function parseFieldPolicy(text: string): { rules: PolicyRule[]; problems: string[] } {
  if (text.replace(RULE, "").includes('"')) return { rules: [], problems: ["has a quote that isn't closed"] };
  const texts = (text.match(RULE) ?? []).map((rule) => rule.trim()).filter(Boolean);
  if (texts.length > MOST_RULES) return { rules: [], problems: [`has more than ${MOST_RULES} rules`] };
  const parsed = texts.map(parseRule);
  const problems = parsed.flatMap((rule, n) =>
    typeof rule === "string" ? [`rule ${n + 1}, ${JSON.stringify(texts[n]?.slice(0, 80))}: ${rule}`] : [],
  );
  return { rules: parsed.filter((rule) => typeof rule !== "string"), problems };
}

/** A text says what is wrong. */
function parseRule(text: string): PolicyRule | string {
  const [, action, named = ""] = /^(drop|hash)\s+(\S.*)$/s.exec(text) ?? [];
  if (action === undefined) return "begins with drop or hash and names a member, as drop phone_numbers does";
  const read = keysIn(named, 0);
  if (!("keys" in read)) {
    return `has no member at character ${read.wrongAt + 1} of ${named}; what has dots in it stands in quotes: public_metadata."a.b"`;
  }
  const first = read.keys[0] as PolicyKind;
  const kind = KINDS.includes(first) ? first : "user";
  const path = kind === first ? read.keys.slice(1) : read.keys;
  const problem = problemOf(action as PolicyAction, kind, path) ?? unknown(kind, path, named);
  return problem ?? { action: action as PolicyAction, kind, path };
}

function problemOf(action: PolicyAction, kind: PolicyKind, path: readonly string[]): string | null {
  const [top, last] = [path[0], path.at(-1)];
  if (top === undefined || last === undefined) return `must say which member of the ${kind} is meant`;
  if (path.slice(1).includes(ANYWHERE)) return `${ANYWHERE} stands in front of a member's name, once`;
  if (top === ANYWHERE) {
    if (path.length !== 2) return `${ANYWHERE} takes one name behind it, as ${ANYWHERE}.email_address does`;
    return KEPT_MEMBERS.has(last) ? kept(last) : null;
  }
  const isWithinMember = kind === "membership" && top === "public_user_data" && path.length > 1;
  if (KEPT_MEMBERS.has(top) && !isWithinMember) return kept(top);
  if (isWithinMember && path[1] === "user_id") return kept("user_id");
  if (action === "hash" && path.length === 1 && CONTAINERS.has(top)) {
    return `only single values are hashed: name what is inside, as ${top}.name would, or drop ${top}`;
  }
  return null;
}

const kept = (name: string) => `the mirror can't do without ${name}`;

function unknown(kind: PolicyKind, [top = ""]: readonly string[], named: string): string | null {
  if (top === ANYWHERE || MEMBERS[kind].has(top) || named.includes(`"${top}"`)) return null;
  return `Clerk's ${kind} has no member ${top}; if it is a new one, write it in quotes`;
}

/** The rule as it is written, the same for all ways of writing it. */
export const ruleText = ({ action, kind, path }: PolicyRule): string =>
  `${action} ${kind} ${JSON.stringify(path)}`;
