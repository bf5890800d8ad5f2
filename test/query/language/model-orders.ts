import { byCodePoints, domainOf, fold, type Match, type ModelUser, namesOf } from "./model.js";

/** The ids in the order that the keys ask for. `score`: what `_score` ranks by. */
export function ordered(
  matches: readonly Match[],
  orderBy: readonly string[],
  score: (match: Match) => number,
): string[] {
  const last = orderBy.at(-1) ?? "-created_at";
  const keys = [...orderBy, last.startsWith("-") ? "-id" : "id"].map((key) => ({
    name: key.replace(/^[+-]/, ""),
    sign: key.startsWith("-") ? -1 : 1,
  }));
  const rows = matches.map((match) => ({
    id: match.user.id,
    values: keys.map(({ name }) => (name === "_score" ? score(match) : keyOf(name, match))),
  }));
  return rows
    .sort((one, other) => {
      for (const [n, { sign }] of keys.entries()) {
        const order = compare(one.values[n], other.values[n], sign);
        if (order !== 0) return order;
      }
      return 0;
    })
    .map(({ id }) => id);
}

/** Null is last in both directions. */
function compare(one: unknown, other: unknown, sign: number): number {
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  const kinds = kindOf(one) - kindOf(other);
  if (kinds !== 0) return sign * kinds;
  if (typeof one === "string") return sign * byCodePoints(one, String(other));
  return typeof one === "object" ? 0 : sign * (Number(one) - Number(other));
}

/** Values of several kinds stand at the same path of different users: each kind is together. */
const KINDS = ["string", "number", "boolean", "array", "object"];
const kindOf = (value: unknown) => KINDS.indexOf(Array.isArray(value) ? "array" : typeof value);

function keyOf(name: string, { user, subject }: Match): unknown {
  const primary = PRIMARY[name];
  if (primary) return primary(user);
  const field = subject.field(name);
  const [value = null] = field?.all ?? [];
  return field?.type === "folded text" && value !== null ? fold(String(value)) : value;
}

/** What a user has several of. The longest name that there is stands for the others. */
const PRIMARY: Record<string, (user: ModelUser) => string | null> = {
  name: (user) => namesOf(user).map(fold).at(-1) ?? null,
  email_address: (user) => primaryEmail(user),
  email_domain(user) {
    const address = primaryEmail(user);
    return address === null ? null : domainOf(address);
  },
  phone_number: (user) =>
    user.phone_numbers.find(({ id }) => id === user.primary_phone_number_id)?.phone_number ?? null,
  web3_wallet(user) {
    const wallet = user.web3_wallets.find(({ id }) => id === user.primary_web3_wallet_id);
    return wallet ? fold(wallet.web3_wallet) : null;
  },
};

function primaryEmail(user: ModelUser): string | null {
  const email = user.email_addresses.find(({ id }) => id === user.primary_email_address_id);
  return email ? fold(email.email_address) : null;
}
