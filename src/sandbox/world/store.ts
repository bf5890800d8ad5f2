import type { SandboxClock } from "./clock.js";
import { notFound } from "./failure.js";
import type { Random } from "./random.js";
import type { ClerkEvent, Json, Membership, Organization, Secrets, User } from "./types.js";

/** All data of the sandbox, in memory. */
export interface Store {
  readonly clock: SandboxClock;
  readonly random: Random;
  readonly users: Map<string, User>;
  readonly secrets: Map<string, Secrets>;
  readonly organizations: Map<string, Organization>;
  readonly memberships: Map<string, Membership>;
  /** The days since 1970, UTC, on which people came before the sandbox began, in order. Empty without a history. */
  readonly visits: Map<string, readonly number[]>;
  /** Sends an event to the listener, which is the webhook sender. */
  emit(event: ClerkEvent): void;
  /** Tells of a change of a user that makes no event. */
  changed(userId: string): void;
  /** The number of changes so far, for answers that are kept until the next change. */
  version: number;
}

export interface Listener {
  onEvent(event: ClerkEvent): void;
  /** Also of changes that make an event. */
  onChange(userId: string): void;
}

export function createStore(clock: SandboxClock, random: Random, { onEvent, onChange }: Listener): Store {
  const store: Store = {
    clock,
    random,
    users: new Map(),
    secrets: new Map(),
    organizations: new Map(),
    memberships: new Map(),
    visits: new Map(),
    version: 0,
    emit(event) {
      const { type, data } = event;
      if (type.startsWith("user.")) store.changed(String(data.id));
      else if (type.startsWith("session.")) store.changed(String(data.user_id));
      else store.version++;
      onEvent(event);
    },
    changed(userId) {
      store.version++;
      onChange(userId);
    },
  };
  return store;
}

/** Throws Clerk's answer when no user has this id. */
export function userOf(store: Store, id: string): User {
  const user = store.users.get(id);
  if (!user) throw notFound("user", id);
  return user;
}

export function secretsOf(store: Store, id: string): Secrets {
  const secrets = store.secrets.get(id);
  if (!secrets) throw notFound("user", id);
  return secrets;
}

export function organizationOf(store: Store, id: string): Organization {
  const organization = store.organizations.get(id);
  if (!organization) throw notFound("organization", id);
  return organization;
}

/** A user as the API shows it now: the remaining time of a lockout depends on the clock. */
export function showUser(store: Store, user: User): User {
  const until = store.secrets.get(user.id)?.lockedUntilMs ?? null;
  if (!user.locked || until === null) return user;
  const leftMs = until - store.clock.now();
  return {
    ...user,
    locked: leftMs > 0,
    lockout_expires_in_seconds: leftMs > 0 ? Math.ceil(leftMs / 1000) : null,
  };
}

/** A membership with current copies of its organization and its user. */
export function showMembership(store: Store, membership: Membership): Json {
  const { organization_id, user_id, created_at, updated_at, ...rest } = membership;
  const user = userOf(store, user_id);
  return {
    ...rest,
    organization: organizationOf(store, organization_id),
    public_user_data: {
      user_id,
      first_name: user.first_name,
      last_name: user.last_name,
      profile_image_url: user.image_url,
      image_url: user.image_url,
      has_image: user.has_image,
      identifier: identifierOf(user),
      username: user.username,
      banned: user.banned,
    },
    created_at,
    updated_at,
  };
}

function identifierOf(user: User): string | null {
  const email = user.email_addresses.find((one) => one.id === user.primary_email_address_id);
  const phone = user.phone_numbers.find((one) => one.id === user.primary_phone_number_id);
  const wallet = user.web3_wallets.find((one) => one.id === user.primary_web3_wallet_id);
  return email?.email_address ?? phone?.phone_number ?? user.username ?? wallet?.web3_wallet ?? null;
}
