import { createHash, createHmac } from "node:crypto";
import { COPIED_MEMBERS, type PolicyKind } from "./members.js";
import { ANYWHERE, type PolicyAction, type PolicyRule, ruleText } from "./rules.js";

/** Decides which parts of Clerk's objects are stored. It is applied where objects come in, before anything else looks at them. */
export interface FieldPolicy {
  /** There is no rule. */
  isEmpty: boolean;
  /** The same for the same rules and key, and for nothing else. Null: there is no rule. */
  fingerprint: string | null;
  /** Changes an object that the caller owns, and which may be anything. Repeating changes nothing more. */
  apply(kind: PolicyKind, object: unknown): void;
}

export interface FieldPolicyOptions {
  rules: readonly PolicyRule[];
  /** What hashes are keyed with. */
  key: string | null;
}

type Members = Record<string, unknown>;

export const NO_POLICY: FieldPolicy = { isEmpty: true, fingerprint: null, apply() {} };

export function createFieldPolicy({ rules, key }: FieldPolicyOptions): FieldPolicy {
  if (rules.length === 0) return NO_POLICY;
  const hashed = (text: string) => hashOf(text, key ?? "");
  const rulesOf = (kind: PolicyKind) => rules.filter((rule) => rule.kind === kind);
  const ofUsers = rulesOf("user");
  const ofOrganizations = rulesOf("organization");
  const ofMemberships = [...rulesOf("membership"), ...copiesOf(ofUsers)];
  const anywhere = ofUsers.filter(({ path }) => path[0] === ANYWHERE);

  function apply(kind: PolicyKind, object: unknown): void {
    if (!isObject(object)) return;
    if (kind === "user") applyToUser(object);
    else if (kind === "membership") applyToMembership(object);
    else obey(object, ofOrganizations, hashed);
  }

  function applyToUser(user: Members): void {
    const { organization_memberships: memberships } = user;
    if (Array.isArray(memberships)) for (const one of memberships) apply("membership", one);
    obey(user, ofUsers, hashed);
  }

  function applyToMembership(membership: Members): void {
    const { organization, public_user_data: member } = membership;
    apply("organization", organization);
    if (isObject(member)) {
      changeIdentifier(member);
      obey(member, anywhere, hashed);
    }
    obey(membership, ofMemberships, hashed);
  }

  /** A membership repeats one of its user's identifiers, of whatever kind. */
  function changeIdentifier(member: Members): void {
    const { identifier } = member;
    if (typeof identifier !== "string") return;
    const action = ofUsers.find((rule) => isAbout(rule, kindOfIdentifier(identifier)))?.action;
    if (action) member.identifier = action === "drop" ? null : hashed(identifier);
  }

  return { isEmpty: false, fingerprint: fingerprintOf(rules, key), apply };
}

const isObject = (value: unknown): value is Members =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** What the rules of users say about the copies in memberships. */
const copiesOf = (rules: readonly PolicyRule[]): PolicyRule[] =>
  rules.flatMap(({ action, path }) => {
    const isCopied = path.length === 1 && COPIED_MEMBERS.has(path[0] ?? "");
    return isCopied ? [{ action, kind: "membership", path: ["public_user_data", ...path] } as const] : [];
  });

/** The members that hold the identifiers of each kind. */
const IDENTIFIERS = {
  email_address: "email_addresses",
  phone_number: "phone_numbers",
  web3_wallet: "web3_wallets",
  username: "username",
} as const;
type IdentifierKind = keyof typeof IDENTIFIERS;

function kindOfIdentifier(text: string): IdentifierKind {
  if (text.includes("@")) return "email_address";
  if (/^\+?\d{5,}$/.test(text)) return "phone_number";
  return /^0x[0-9a-f]{10,}$/i.test(text) ? "web3_wallet" : "username";
}

function isAbout({ path }: PolicyRule, kind: IdentifierKind): boolean {
  const [top, inner] = path;
  if (top === ANYWHERE) return inner === kind || inner === IDENTIFIERS[kind] || inner === "identifier";
  return top === IDENTIFIERS[kind] && (inner === undefined || inner === kind);
}

/** `inMetadata`: Clerk doesn't say what stands there, so that a member may as well be missing. */
interface Place {
  value: unknown;
  at: number;
  inMetadata: boolean;
}

function obey(object: Members, rules: readonly PolicyRule[], hashed: (text: string) => string): void {
  for (const { action, path } of rules) {
    // Not recursive: users nest their metadata as deeply as they like.
    const open: Place[] = [{ value: object, at: 0, inMetadata: false }];
    for (let place = open.pop(); place; place = open.pop()) {
      const { value, at, inMetadata } = place;
      if (Array.isArray(value)) for (const one of value) open.push({ value: one, at, inMetadata });
      if (!isObject(value)) continue;
      if (path[at] === ANYWHERE) {
        open.push({ value, at: at + 1, inMetadata });
        for (const [name, inner] of Object.entries(value)) {
          open.push({ value: inner, at, inMetadata: inMetadata || isMetadata(name) });
        }
        continue;
      }
      const name = path[at] as string;
      if (!Object.hasOwn(value, name)) continue;
      if (at < path.length - 1) {
        open.push({ value: value[name], at: at + 1, inMetadata: inMetadata || isMetadata(name) });
      } else change(value, name, { action, inMetadata }, hashed);
    }
  }
}

const isMetadata = (name: string) => name.endsWith("_metadata");

function change(
  object: Members,
  name: string,
  { action, inMetadata }: { action: PolicyAction; inMetadata: boolean },
  hashed: (text: string) => string,
): void {
  const value = object[name];
  if (action === "hash") set(object, name, hashOfValue(value, hashed) ?? null);
  else if (inMetadata) delete object[name];
  // Null would say that Clerk kept it back, and that it must be asked.
  else if (isMetadata(name)) set(object, name, {});
  else set(object, name, Array.isArray(value) ? [] : null);
}

/** Also a member named `__proto__`, which an assignment would take for something else. */
const set = (object: Members, name: string, value: unknown) =>
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });

function hashOfValue(value: unknown, hashed: (text: string) => string): unknown {
  if (value === null || value === undefined || value === "") return value;
  if (Array.isArray(value)) return value.map((one) => (one === null ? one : hashed(textOf(one))));
  return hashed(textOf(value));
}

const textOf = (value: unknown) => (typeof value === "string" ? value : printed(value));

/** What is nested too deep to be printed has one hash, whatever it is. */
function printed(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) return "nested too deep";
    throw error;
  }
}

/** 128 bits of an HMAC, in lower case, because filters fold case. */
const HASHED = /^hash_[0-9a-f]{32}$/;

const hashOf = (text: string, key: string): string =>
  HASHED.test(text) ? text : `hash_${createHmac("sha256", key).update(text).digest("hex").slice(0, 32)}`;

function fingerprintOf(rules: readonly PolicyRule[], key: string | null): string {
  const texts = [...new Set(rules.map(ruleText))].sort();
  const keyed = rules.some(({ action }) => action === "hash") ? hashOf("fingerprint", key ?? "") : "";
  return createHash("sha256")
    .update([...texts, keyed].join("\n"))
    .digest("hex")
    .slice(0, 32);
}
