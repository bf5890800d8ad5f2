import type { Json } from "../clerk.js";

/** The members that Clerk's schema requires. Clerk sends them all; other senders of webhooks may not. */
const REQUIRED = [
  "user_id",
  "first_name",
  "last_name",
  "profile_image_url",
  "image_url",
  "has_image",
] as const;

/** What Clerk showed of a user, completed with the required members that are missing. */
export function wholeMember(shown: Json, user: Json): Json {
  const missing = REQUIRED.filter((name) => !(name in shown));
  if (missing.length === 0) return shown;
  const now = memberSeenBy(user);
  return { ...shown, ...Object.fromEntries(missing.map((name) => [name, now[name]])) };
}

/**
 * What Clerk showed of a user to the other members of an organization, with the values of the user's own row, which was
 * seen later. What the user's row doesn't have (`deprovisioned`, and whatever Clerk adds) stays as Clerk showed it.
 */
export function overlaidMember(shown: Json, user: Json): Json {
  const now = memberSeenBy(user);
  const members = Object.entries(shown).map(([name, value]) => [name, name in now ? now[name] : value]);
  return { ...Object.fromEntries(members), identifier: identifierLike(shown.identifier, user) };
}

/** The same made from the user alone, for when it isn't known what Clerk showed. */
export function memberSeenBy(user: Json): Json {
  return {
    user_id: user.id,
    first_name: user.first_name ?? null,
    last_name: user.last_name ?? null,
    // Deprecated, and still required by Clerk's schema.
    profile_image_url: user.profile_image_url ?? user.image_url ?? null,
    image_url: user.image_url ?? "",
    has_image: user.has_image ?? false,
    identifier: identifierOf(user),
    username: user.username ?? null,
    banned: user.banned ?? false,
  };
}

/** The identifiers of a user by kind, in the order in which Clerk prefers them; the primary one of each kind first. */
const IDENTIFIERS: readonly ((user: Json) => string[])[] = [
  (user) => valuesOf(user.email_addresses, user.primary_email_address_id, "email_address"),
  (user) => valuesOf(user.phone_numbers, user.primary_phone_number_id, "phone_number"),
  (user) => (typeof user.username === "string" ? [user.username] : []),
  (user) => valuesOf(user.web3_wallets, user.primary_web3_wallet_id, "web3_wallet"),
];

function valuesOf(list: unknown, primaryId: unknown, field: string): string[] {
  const objects: Json[] = Array.isArray(list) ? list : [];
  const primary = objects.filter((object) => object?.id === primaryId);
  const others = objects.filter((object) => object?.id !== primaryId);
  return [...primary, ...others]
    .map((object) => object?.[field])
    .filter((value) => typeof value === "string");
}

/** The primary e-mail address, else what the user has instead. */
const identifierOf = (user: Json): string | null =>
  IDENTIFIERS.map((values) => values(user)[0]).find((value) => value !== undefined) ?? null;

/**
 * The identifier that Clerk showed, while it is still the user's; else the current one of the same kind, if there is one.
 */
function identifierLike(shown: unknown, user: Json): string | null {
  if (typeof shown !== "string") return identifierOf(user);
  if (IDENTIFIERS.some((values) => values(user).includes(shown))) return shown;
  return IDENTIFIERS[kindOf(shown)]?.(user)[0] ?? identifierOf(user);
}

/** Index of its kind in `IDENTIFIERS`: usernames have no @, and no + at their start. */
function kindOf(identifier: string): number {
  if (identifier.includes("@")) return 0;
  if (identifier.startsWith("+")) return 1;
  return /^0x[0-9a-f]{40}$/i.test(identifier) ? 3 : 2;
}
