/**
 * What the filter language promises, over plain objects: what its parser, its SQL and its pages are compared with. It is
 * written from the promise alone, shares no code with the mirror, and takes the shortest way to each sentence, however slow.
 */

export type Json = Record<string, unknown>;

export interface ModelUser {
  id: string;
  external_id: string | null;
  username: string | null;
  first_name: string | null;
  last_name: string | null;
  primary_email_address_id: string | null;
  primary_phone_number_id: string | null;
  primary_web3_wallet_id: string | null;
  email_addresses: { id: string; email_address: string; verification: { status: string } | null }[];
  phone_numbers: { id: string; phone_number: string }[];
  web3_wallets: { id: string; web3_wallet: string }[];
  external_accounts: {
    id: string;
    provider: string;
    provider_user_id: string;
    email_address: string | null;
  }[];
  banned: boolean;
  locked: boolean;
  two_factor_enabled: boolean;
  password_enabled: boolean;
  has_image: boolean;
  created_at: number;
  updated_at: number;
  last_active_at: number | null;
  last_sign_in_at: number | null;
  public_metadata: Json;
  unsafe_metadata: Json;
  private_metadata: Json;
  [other: string]: unknown;
}

export interface ModelMembership {
  id: string;
  user_id: string;
  organization_id: string;
  role: string;
  created_at: number;
  public_metadata: Json;
}

export interface World {
  users: readonly ModelUser[];
  memberships: readonly ModelMembership[];
  nowMs: number;
  /** pg_trgm's `word_similarity` of folded texts. */
  similarity(query: string, text: string): number;
}

export interface Match {
  user: ModelUser;
  subject: Subject;
}

/** A world of which the same can be asked as of the mirror. */
export function createModel(given: World) {
  const world = { ...given, ...storable({ users: given.users, memberships: given.memberships }) };
  const everybody: Match[] = world.users.map((user) => ({ user, subject: ofUser(user, world) }));
  return {
    /** Those whom the filter keeps, in no order. */
    matches(given: Json): Match[] {
      const filter = storable(given);
      return everybody.filter(({ subject }) => holds(filter, subject, world));
    },
    /** All texts, folded, that anything is similar to. */
    texts: everybody.flatMap(({ subject }) => textsOf(subject.field("any"))),
    /** How similar the user is to what an entry of the filter itself asks for. */
    score(filter: Json, { subject }: Match): number {
      const each = Object.entries(storable(filter)).flatMap(([name, asked]) => {
        const { similar } = (asked ?? {}) as { similar?: string };
        if (similar === undefined) return [];
        return textsOf(subject.field(name)).map((text) => world.similarity(fold(similar), text));
      });
      return Math.max(0, ...each);
    },
  };
}

const textsOf = (field: Values | undefined) => (field?.all ?? []).map((text) => fold(String(text)));

/** Postgres stores neither U+0000 nor half a surrogate pair in texts: to filters, both are U+FFFD. */
function storable<T>(value: T): T {
  if (typeof value === "string") return value.toWellFormed().replaceAll("\u0000", "\ufffd") as T;
  if (Array.isArray(value)) return value.map(storable) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map((entry) => storable(entry))) as T;
}

/** What a filter's entries speak of: a user, or one of a user's elements. */
export interface Subject {
  /** Undefined: there is no such field. */
  field(name: string): Values | undefined;
  elements(name: string): Subject[] | undefined;
}

/** The field's values: none where it is null. */
export type Values =
  | { type: "folded text" | "exact text" | "provider" | "any"; all: readonly string[] }
  | { type: "flag"; all: readonly boolean[] }
  | { type: "time"; all: readonly number[] }
  | { type: "metadata"; all: readonly unknown[] };

function ofUser(user: ModelUser, { memberships }: World): Subject {
  const own = memberships.filter(({ user_id }) => user_id === user.id);
  const folded = (...all: (string | null)[]): Values => ({ type: "folded text", all: given(all) });
  const exact = (...all: (string | null)[]): Values => ({ type: "exact text", all: given(all) });
  const time = (...all: (number | null)[]): Values => ({ type: "time", all: given(all) });
  const flag = (value: boolean): Values => ({ type: "flag", all: [value] });
  const emails = user.email_addresses.map(({ email_address }) => email_address);
  const phones = user.phone_numbers.map(({ phone_number }) => phone_number);
  const wallets = user.web3_wallets.map(({ web3_wallet }) => web3_wallet);
  const fields: Record<string, Values> = {
    id: exact(user.id),
    external_id: exact(user.external_id),
    username: folded(user.username),
    first_name: folded(user.first_name),
    last_name: folded(user.last_name),
    name: folded(...namesOf(user)),
    email_address: folded(...emails),
    email_domain: folded(...emails.map(domainOf)),
    phone_number: exact(...phones),
    web3_wallet: folded(...wallets),
    provider: providers(user.external_accounts),
    organization_id: exact(...own.map(({ organization_id }) => organization_id)),
    organization_role: exact(...own.map(({ role }) => role)),
    banned: flag(user.banned),
    locked: flag(user.locked),
    two_factor_enabled: flag(user.two_factor_enabled),
    password_enabled: flag(user.password_enabled),
    has_image: flag(user.has_image),
    created_at: time(user.created_at),
    updated_at: time(user.updated_at),
    last_active_at: time(user.last_active_at),
    last_sign_in_at: time(user.last_sign_in_at),
    any: {
      type: "any",
      all: given([...emails, ...phones, user.username, ...wallets, user.id, ...namesOf(user)]),
    },
  };
  return {
    field: (name) =>
      fields[name] ?? metadataAt(name, ["public_metadata", "unsafe_metadata", "private_metadata"], user),
    elements(name) {
      if (name === "membership") return own.map(ofMembership);
      if (name === "email") return user.email_addresses.map((email) => ofEmail(email, user));
      return name === "account" ? user.external_accounts.map(ofAccount) : undefined;
    },
  };
}

const noElements = () => undefined;

const ofMembership = (membership: ModelMembership): Subject => ({
  field(name) {
    if (name === "organization_id") return { type: "exact text", all: [membership.organization_id] };
    if (name === "role") return { type: "exact text", all: [membership.role] };
    if (name === "created_at") return { type: "time", all: [membership.created_at] };
    return metadataAt(name, ["public_metadata"], { ...membership });
  },
  elements: noElements,
});

const ofEmail = (email: ModelUser["email_addresses"][number], user: ModelUser): Subject => ({
  field(name) {
    if (name === "address") return { type: "folded text", all: [email.email_address] };
    if (name === "domain") return { type: "folded text", all: given([domainOf(email.email_address)]) };
    if (name === "verified") return { type: "flag", all: [email.verification?.status === "verified"] };
    return name === "primary"
      ? { type: "flag", all: [email.id === user.primary_email_address_id] }
      : undefined;
  },
  elements: noElements,
});

const ofAccount = (account: ModelUser["external_accounts"][number]): Subject => ({
  field(name) {
    if (name === "provider") return providers([account]);
    if (name === "provider_user_id") return { type: "exact text", all: [account.provider_user_id] };
    return name === "email_address"
      ? { type: "folded text", all: given([account.email_address]) }
      : undefined;
  },
  elements: noElements,
});

export function namesOf({ first_name, last_name }: ModelUser): string[] {
  const both = first_name !== null && last_name !== null ? `${first_name} ${last_name}` : null;
  return given([first_name, last_name, both]);
}

export const domainOf = (address: string) => address.slice(address.lastIndexOf("@") + 1);

const providers = (accounts: readonly { provider: string }[]): Values => ({
  type: "provider",
  all: accounts.map(({ provider }) => provider),
});

/** Clerk writes `oauth_google` and `google` for the same. */
const plainProvider = (provider: string) => provider.replace(/^oauth_/, "");

const given = <T>(values: readonly (T | null)[]): T[] => values.filter((value) => value !== null);

function holds(filter: Json, subject: Subject, world: World): boolean {
  return Object.entries(filter).every(([key, value]) => {
    if (key === "and") return (value as Json[]).every((each) => holds(each, subject, world));
    if (key === "or") return (value as Json[]).some((each) => holds(each, subject, world));
    if (key === "not") return !holds(value as Json, subject, world);
    const elements = subject.elements(key);
    if (elements) return elements.some((element) => holds(value as Json, element, world));
    const field = subject.field(key);
    if (!field) throw new Error(`no field ${key}`);
    return meets(field, value, world);
  });
}

/** What is asked of a field: a scalar, an array of them, or an object of operators. */
function meets(field: Values, asked: unknown, world: World): boolean {
  if (Array.isArray(asked)) return asked.some((one) => equals(field, one, world));
  if (typeof asked !== "object" || asked === null) return equals(field, asked, world);
  return Object.entries(asked).every(([operator, operand]) => {
    const test = OPERATORS[operator];
    if (!test) throw new Error(`no operator ${operator}`);
    return test(field, operand, world);
  });
}

type Operator = (field: Values, operand: unknown, world: World) => boolean;

const OPERATORS: Record<string, Operator> = {
  eq: equals,
  ne: (field, operand, world) => !equals(field, operand, world),
  in: equalsAny,
  nin: (field, operands, world) => !equalsAny(field, operands, world),
  lt: sized((order) => order < 0),
  lte: sized((order) => order <= 0),
  gt: sized((order) => order > 0),
  gte: sized((order) => order >= 0),
  exists: ({ all }, operand) => all.length > 0 === operand,
  contains: (field, operand) =>
    field.all.some((value) => Array.isArray(value) && value.includes(operand)) ||
    anyText((text, part) => text.includes(part))(field, operand),
  prefix: anyText((text, part) => text.startsWith(part)),
  suffix: anyText((text, part) => text.endsWith(part)),
  similar: (field, operand, { similarity }) =>
    anyText((text, wanted) => similarity(wanted, text) >= 0.5)(field, operand),
};

/** Metadata may hold something else than texts, and be asked for it. */
function anyText(fits: (text: string, operand: string) => boolean) {
  return ({ all }: Values, operand: unknown): boolean =>
    typeof operand === "string" &&
    all.some((value) => typeof value === "string" && fits(fold(value), fold(operand)));
}

function equalsAny(field: Values, operands: unknown, world: World): boolean {
  return (operands as unknown[]).some((one) => equals(field, one, world));
}

function equals(field: Values, asked: unknown, world: World): boolean {
  if (asked === null) return field.all.length === 0;
  const same = (value: unknown) => {
    if (field.type === "folded text") return fold(value as string) === fold(asked as string);
    if (field.type === "provider") return plainProvider(value as string) === plainProvider(asked as string);
    if (field.type === "time") return value === timeOf(asked, world);
    return value === asked;
  };
  return field.all.some(same);
}

/** Times and numbers by size, texts of metadata by code points; a number and a text are neither before nor after each other. */
function sized(fits: (order: number) => boolean): Operator {
  return (field, operand: unknown, world) =>
    field.all.some((value) => {
      const limit = field.type === "time" ? timeOf(operand, world) : operand;
      if (typeof value === "number" && typeof limit === "number") return fits(value - limit);
      if (typeof value === "string" && typeof limit === "string") return fits(byCodePoints(value, limit));
      return false;
    });
}

export const byCodePoints = (one: string, other: string) =>
  Buffer.compare(Buffer.from(one), Buffer.from(other));

export function fold(text: string): string {
  return text.normalize("NFC").toLowerCase().replaceAll("i\u0307", "i").replaceAll("ς", "σ");
}

function timeOf(asked: unknown, { nowMs }: World): number {
  if (typeof asked === "number") return asked;
  const text = String(asked);
  if (!text.startsWith("now")) return Date.parse(text);
  const unit = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }[text.slice(-1)] ?? 0;
  return nowMs + Number(text.slice("now".length, -1)) * unit;
}

/** What stands at `object.key.key`, keys of objects only. */
function metadataAt(name: string, objects: readonly string[], owner: Json): Values | undefined {
  const [object = "", ...keys] = keysOf(name);
  if (!objects.includes(object) || keys.length === 0) return undefined;
  let value: unknown = owner[object];
  for (const key of keys) {
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    value = isObject && Object.hasOwn(value as Json, key) ? (value as Json)[key] : null;
  }
  return { type: "metadata", all: given([value]) };
}

function keysOf(path: string): string[] {
  const keys = [""];
  let isQuoted = false;
  for (let n = 0; n < path.length; n++) {
    const character = path[n];
    if (character === '"') isQuoted = !isQuoted;
    else if (character === "." && !isQuoted) keys.push("");
    else keys.push(`${keys.pop()}${isQuoted && character === "\\" ? path[++n] : character}`);
  }
  return keys;
}
