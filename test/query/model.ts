/**
 * The list and count that the mirror promises, over plain objects: what its SQL is compared with. It shares no code with
 * the mirror, and takes the shortest way to each promise, however slow.
 */
export interface ModelUser {
  id: string;
  external_id: string | null;
  username: string | null;
  first_name: string | null;
  last_name: string | null;
  primary_email_address_id: string | null;
  primary_phone_number_id: string | null;
  primary_web3_wallet_id: string | null;
  email_addresses: { id: string; email_address: string }[];
  phone_numbers: { id: string; phone_number: string }[];
  web3_wallets: { id: string; web3_wallet: string }[];
  external_accounts: { provider: string; provider_user_id: string }[];
  banned: boolean;
  created_at: number;
  updated_at: number;
  last_active_at: number | null;
  last_sign_in_at: number | null;
  [other: string]: unknown;
}

export interface Model {
  users: ModelUser[];
  /** Organization ids by user id. */
  organizations: Map<string, string[]>;
}

export type ModelParams = Record<string, string[]>;

/** The ids of one page, in order. */
export function modelPage(model: Model, params: ModelParams): string[] {
  const sorted = modelMatches(model, params).sort(comparator(params.order_by?.[0] ?? "-created_at"));
  const limit = Number(params.limit?.[0] ?? 10);
  const cursor = params.starting_after?.[0];
  if (cursor !== undefined) {
    const after = model.users.find((user) => user.id === cursor);
    const compare = comparator(params.order_by?.[0] ?? "-created_at");
    return sorted
      .filter((user) => after !== undefined && compare(after, user) < 0)
      .slice(0, limit)
      .map((user) => user.id);
  }
  const offset = Number(params.offset?.[0] ?? 0);
  return sorted.slice(offset, offset + limit).map((user) => user.id);
}

export function modelMatches(model: Model, params: ModelParams): ModelUser[] {
  return model.users.filter((user) =>
    Object.entries(params).every(([name, values]) => {
      const test = FILTERS[name];
      return !test || test(user, values, model, params);
    }),
  );
}

function fold(text: string): string {
  return text.normalize("NFC").toLowerCase().replaceAll("i\u0307", "i").replaceAll("ς", "σ");
}

type Test = (user: ModelUser, values: string[], model: Model, params: ModelParams) => boolean;

const emails = (user: ModelUser) => user.email_addresses.map((email) => email.email_address);
const phones = (user: ModelUser) => user.phone_numbers.map((phone) => phone.phone_number);
const wallets = (user: ModelUser) => user.web3_wallets.map((wallet) => wallet.web3_wallet);
const present = (values: (string | null)[]) => values.filter((value) => value !== null);
const fullName = ({ first_name, last_name }: ModelUser) =>
  first_name !== null && last_name !== null ? `${first_name} ${last_name}` : null;
const names = (user: ModelUser) => present([user.first_name, user.last_name, fullName(user)]);

const contains =
  (fields: (user: ModelUser) => string[]): Test =>
  (user, [term = ""]) =>
    term === "" || fields(user).some((field) => fold(field).includes(fold(term)));

const anyOfFolded =
  (fields: (user: ModelUser) => string[]): Test =>
  (user, values) =>
    values.some((value) => value !== "" && fields(user).some((field) => fold(field) === fold(value)));

/** `+a` and `a` include, `-a` excludes; exactly one sign is taken off; a leading space was a `+`. */
const signed =
  (fields: (user: ModelUser, model: Model) => string[]): Test =>
  (user, values, model) => {
    const read = values.map((value) => (value.startsWith(" ") ? `+${value.slice(1)}` : value));
    const included = read.filter((value) => !value.startsWith("-")).map((value) => value.replace(/^\+/, ""));
    const excluded = read.filter((value) => value.startsWith("-")).map((value) => value.slice(1));
    const own = fields(user, model);
    const isIn = (list: string[]) => list.some((value) => value !== "" && own.includes(value));
    return (included.length === 0 || isIn(included)) && !isIn(excluded);
  };

const time =
  (
    field: "created_at" | "last_active_at" | "last_sign_in_at",
    holds: (time: number, value: number) => boolean,
  ): Test =>
  (user, [value = ""]) => {
    const at = user[field];
    return at !== null && holds(at, Number(value));
  };

const before = (at: number, value: number) => at < value;
const after = (at: number, value: number) => at > value;
const DAY_MS = 86_400_000;

const FILTERS: Record<string, Test> = {
  email_address: anyOfFolded(emails),
  username: anyOfFolded((user) => present([user.username])),
  web3_wallet: anyOfFolded(wallets),
  phone_number: (user, values) =>
    values.some(
      (value) => value !== "" && phones(user).includes(value.startsWith(" ") ? `+${value.slice(1)}` : value),
    ),
  external_id: signed((user) => present([user.external_id])),
  user_id: signed((user) => [user.id]),
  organization_id: signed((user, model) => model.organizations.get(user.id) ?? []),
  query: contains((user) => [
    ...emails(user),
    ...phones(user),
    ...present([user.username]),
    ...wallets(user),
    user.id,
    ...names(user),
  ]),
  email_address_query: contains(emails),
  phone_number_query: contains(phones),
  username_query: contains((user) => present([user.username])),
  name_query: contains(names),
  banned: (user, [value]) => user.banned === (value === "true"),
  created_at_before: time("created_at", before),
  created_at_after: time("created_at", after),
  last_active_at_before: time("last_active_at", before),
  last_active_at_after: time("last_active_at", after),
  last_active_at_since: time("last_active_at", (at, value) => at >= Math.floor(value / DAY_MS) * DAY_MS),
  last_sign_in_at_before: time("last_sign_in_at", before),
  last_sign_in_at_after: time("last_sign_in_at", after),
  provider: (user, [provider = ""], _model, { provider_user_id: ids = [] }) =>
    user.external_accounts.some(
      (account) =>
        account.provider.replace(/^oauth_/, "") === provider.replace(/^oauth_/, "") &&
        ids.some((id) => id !== "" && id === account.provider_user_id),
    ),
};

const primary = <T extends { id: string }>(list: T[], id: string | null, value: (one: T) => string) => {
  const found = list.find((one) => one.id === id);
  return found ? fold(value(found)) : null;
};
const folded = (text: string | null) => (text === null ? null : fold(text));

const KEYS: Record<string, (user: ModelUser) => string | number | null> = {
  created_at: (user) => user.created_at,
  updated_at: (user) => user.updated_at,
  last_active_at: (user) => user.last_active_at,
  last_sign_in_at: (user) => user.last_sign_in_at,
  username: (user) => folded(user.username),
  first_name: (user) => folded(user.first_name),
  last_name: (user) => folded(user.last_name),
  email_address: (user) =>
    primary(user.email_addresses, user.primary_email_address_id, (email) => email.email_address),
  phone_number: (user) =>
    primary(user.phone_numbers, user.primary_phone_number_id, (phone) => phone.phone_number),
  web3wallet: (user) =>
    primary(user.web3_wallets, user.primary_web3_wallet_id, (wallet) => wallet.web3_wallet),
};

export const ORDERS = Object.keys(KEYS);

function comparator(orderBy: string): (a: ModelUser, b: ModelUser) => number {
  const direction = orderBy.startsWith("-") ? -1 : 1;
  const key = KEYS[orderBy.replace(/^[+-]/, "")];
  if (!key) throw new Error(`no such order: ${orderBy}`);
  return (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === null || y === null) {
      if (x !== null || y !== null) return x === null ? 1 : -1;
      return direction * compare(a.id, b.id);
    }
    return direction * (compare(x, y) || compare(a.id, b.id));
  };
}

/** By code points, as the C collation does; JavaScript's own `<` compares halves of surrogate pairs. */
function compare(a: string | number, b: string | number): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
}
