import { badParam, ClerkFailure } from "./failure.js";
import { makeEmail, makePhone, makeWallet } from "./identifiers.js";
import { METADATA, merge, metadataParam } from "./metadata.js";
import {
  emailParam,
  flagParam,
  listParam,
  metadataParams,
  phoneParam,
  refuseTaken,
  refuseUnknown,
  textParam,
  timeParam,
} from "./params.js";
import { type Store, secretsOf, showUser, userOf } from "./store.js";
import type { Json, User } from "./types.js";

const DAY_MS = 86_400_000;
const LOCK_SECONDS = 3600;
const NAMES = ["first_name", "last_name", "locale"] as const;
const SETTINGS = ["delete_self_enabled", "create_organization_enabled", "bypass_client_trust"] as const;
const PASSWORD = ["password", "password_digest", "password_hasher", "skip_password_checks"];
const SHARED = [
  ...["external_id", "username", ...NAMES, ...PASSWORD, "totp_secret", "backup_codes", ...SETTINGS],
  ...["create_organizations_limit", "legal_accepted_at", "skip_legal_checks", "created_at"],
];
const CREATE = new Set([
  ...[...SHARED, ...METADATA, "email_address", "phone_number", "web3_wallet"],
  ...[
    "email_address_identification_status",
    "phone_number_identification_status",
    "skip_password_requirement",
  ],
  ...["skip_user_requirement", "banned", "locked"],
]);
const UPDATE = new Set([
  ...[...SHARED, "primary_email_address_id", "primary_phone_number_id", "primary_web3_wallet_id"],
  ...["notify_primary_email_address_changed", "profile_image_id", "sign_out_of_other_sessions"],
]);

/** The operations of Clerk's API on users. Each one also sends its webhook. Bodies are as on the wire. */
export function createUsers(store: Store) {
  const { clock, random } = store;

  function touch(user: User, type = "user.updated"): User {
    user.updated_at = clock.tick();
    store.emit({ type, data: showUser(store, user) });
    return user;
  }

  function refuseTakenIdentifiers(body: Json, self: User | null): void {
    const others = [...store.users.values()].filter((user) => user !== self);
    const username = textParam(body, "username");
    const externalId = textParam(body, "external_id");
    refuseTaken(
      !!username && others.some((user) => user.username?.toLowerCase() === username.toLowerCase()),
      "username",
    );
    refuseTaken(
      !!externalId && others.some((user) => user.external_id === externalId),
      "external_id",
      "form_already_exists",
    );
    const has = (value: string, list: (user: User) => string[]) =>
      others.some((user) => list(user).some((own) => own.toLowerCase() === value.toLowerCase()));
    for (const email of listParam(body, "email_address")) {
      refuseTaken(
        has(email, (user) => user.email_addresses.map((one) => one.email_address)),
        "email_address",
      );
    }
    for (const phone of listParam(body, "phone_number")) {
      refuseTaken(
        has(phone, (user) => user.phone_numbers.map((one) => one.phone_number)),
        "phone_number",
      );
    }
  }

  /** `complete` adds data that a body can't set. It is for generated people, whose identifiers need no check for uniqueness. */
  function create(body: Json, complete?: (user: User) => void): User {
    refuseUnknown(body, CREATE);
    if (!complete) refuseTakenIdentifiers(body, null);
    const password = passwordParam(body);
    const at = clock.tick();
    const emails = withStatus(body, "email_address").map(([value, isReserved]) =>
      makeEmail(random, emailParam(value), at, isReserved),
    );
    const phones = withStatus(body, "phone_number").map(([value, isReserved]) =>
      makePhone(random, phoneParam(value), at, isReserved),
    );
    const wallets = listParam(body, "web3_wallet").map((value) => makeWallet(random, value, at));
    const metadata = metadataParams(body);
    const createdAt = timeParam(body, "created_at") ?? at;
    const totp = textParam(body, "totp_secret") ?? null;
    const backupCodes = listParam(body, "backup_codes");
    const id = `user_${random.token(27)}`;
    const user: User = {
      id,
      object: "user",
      username: textParam(body, "username") ?? null,
      first_name: textParam(body, "first_name") ?? null,
      last_name: textParam(body, "last_name") ?? null,
      locale: textParam(body, "locale") ?? null,
      image_url: `https://img.clerk.example/${id}`,
      has_image: false,
      primary_email_address_id: emails[0]?.id ?? null,
      primary_phone_number_id: phones[0]?.id ?? null,
      primary_web3_wallet_id: wallets[0]?.id ?? null,
      password_enabled: password !== null,
      two_factor_enabled: totp !== null,
      totp_enabled: totp !== null,
      backup_code_enabled: backupCodes.length > 0,
      email_addresses: emails,
      phone_numbers: phones,
      web3_wallets: wallets,
      passkeys: [],
      external_accounts: [],
      saml_accounts: [],
      enterprise_accounts: [],
      public_metadata: metadata.public_metadata ?? {},
      private_metadata: metadata.private_metadata ?? {},
      unsafe_metadata: metadata.unsafe_metadata ?? {},
      external_id: textParam(body, "external_id") ?? null,
      last_sign_in_at: null,
      banned: flagParam(body, "banned") ?? false,
      locked: flagParam(body, "locked") ?? false,
      lockout_expires_in_seconds: null,
      verification_attempts_remaining: 100,
      created_at: createdAt,
      updated_at: at,
      delete_self_enabled: flagParam(body, "delete_self_enabled") ?? true,
      create_organization_enabled: flagParam(body, "create_organization_enabled") ?? true,
      last_active_at: null,
      mfa_enabled_at: totp === null ? null : at,
      mfa_disabled_at: null,
      legal_accepted_at: timeParam(body, "legal_accepted_at") ?? null,
      bypass_client_trust: flagParam(body, "bypass_client_trust") ?? false,
    };
    const lockedUntilMs = user.locked ? at + LOCK_SECONDS * 1000 : null;
    store.users.set(id, user);
    store.secrets.set(id, { password, totp, backupCodes, lockedUntilMs });
    complete?.(user);
    store.emit({ type: "user.created", data: showUser(store, user) });
    return user;
  }

  function update(id: string, body: Json, { takesMetadata = false } = {}): User {
    const user = userOf(store, id);
    refuseUnknown(body, takesMetadata ? new Set([...UPDATE, ...METADATA]) : UPDATE);
    refuseTakenIdentifiers(body, user);
    const changed: Json = {};
    for (const name of [...NAMES, "username", "external_id"] as const) {
      const value = textParam(body, name);
      if (value !== undefined) changed[name] = value;
    }
    for (const name of SETTINGS) {
      const value = flagParam(body, name);
      if (value !== undefined) changed[name] = value;
    }
    for (const name of ["created_at", "legal_accepted_at"] as const) {
      const value = timeParam(body, name);
      if (value !== undefined) changed[name] = value;
    }
    Object.assign(changed, primaries(user, body), takesMetadata ? metadataParams(body) : {});
    const secrets = secretsOf(store, id);
    const password = passwordParam(body);
    if (password !== null) {
      secrets.password = password;
      changed.password_enabled = true;
    }
    const totp = textParam(body, "totp_secret");
    if (totp) {
      secrets.totp = totp;
      Object.assign(changed, { totp_enabled: true, two_factor_enabled: true, mfa_enabled_at: clock.now() });
    }
    if (body.backup_codes !== undefined) {
      secrets.backupCodes = [...listParam(body, "backup_codes")];
      changed.backup_code_enabled = secrets.backupCodes.length > 0;
    }
    return touch(Object.assign(user, changed));
  }

  /** Merges deeply, or replaces the whole metadata. */
  function updateMetadata(id: string, body: Json, { replace = false } = {}): User {
    const user = userOf(store, id);
    refuseUnknown(body, new Set(METADATA));
    const changed: Json = {};
    for (const name of METADATA) {
      if (body[name] === undefined) continue;
      const given = body[name] === null && replace ? {} : metadataParam(name, body[name]);
      changed[name] = metadataParam(name, replace ? given : merge(user[name], given));
    }
    return touch(Object.assign(user, changed));
  }

  function remove(id: string): Json {
    const user = userOf(store, id);
    for (const membership of [...store.memberships.values()]) {
      if (membership.user_id !== id) continue;
      store.memberships.delete(membership.id);
      const organization = store.organizations.get(membership.organization_id);
      if (organization) organization.members_count--;
    }
    store.users.delete(id);
    store.secrets.delete(id);
    clock.tick();
    const deleted = {
      object: "user",
      id,
      deleted: true,
      ...(user.external_id !== null && { external_id: user.external_id }),
    };
    store.emit({ type: "user.deleted", data: deleted });
    return deleted;
  }

  function setBanned(id: string, banned: boolean): User {
    return touch(Object.assign(userOf(store, id), { banned }));
  }

  function setLocked(id: string, locked: boolean): User {
    const user = userOf(store, id);
    secretsOf(store, id).lockedUntilMs = locked ? clock.now() + LOCK_SECONDS * 1000 : null;
    user.locked = locked;
    user.lockout_expires_in_seconds = null;
    user.verification_attempts_remaining = locked ? 0 : 100;
    return touch(user);
  }

  function setImage(id: string, image: string | null): User {
    const user = userOf(store, id);
    user.has_image = image !== null;
    user.image_url = `https://img.clerk.example/${image ?? id}`;
    return touch(user);
  }

  /** Moves the times of the last sign-in and activity, but not `updated_at`. Sends only a session event. */
  function signIn(id: string): User {
    const user = userOf(store, id);
    const at = clock.tick();
    user.last_sign_in_at = at;
    user.last_active_at = Math.floor(at / DAY_MS) * DAY_MS;
    store.emit({ type: "session.created", data: session(user, at) });
    return user;
  }

  /** Somebody comes back with the session there is. Moves the day alone, and no event tells of it. */
  function touchActivity(id: string): User {
    const user = userOf(store, id);
    user.last_active_at = Math.floor(clock.tick() / DAY_MS) * DAY_MS;
    store.changed(id);
    return user;
  }

  function session(user: User, at: number): Json {
    return {
      object: "session",
      id: `sess_${random.token(27)}`,
      user_id: user.id,
      client_id: `client_${random.token(27)}`,
      actor: null,
      status: "active",
      last_active_organization_id: null,
      last_active_at: at,
      latest_activity: null,
      expire_at: at + 7 * DAY_MS,
      abandon_at: at + 30 * DAY_MS,
      created_at: at,
      updated_at: at,
      user: showUser(store, user),
    };
  }

  return {
    create,
    update,
    updateMetadata,
    remove,
    setBanned,
    setLocked,
    setImage,
    signIn,
    touchActivity,
    touch,
  };
}

export type Users = ReturnType<typeof createUsers>;

/** The values in a list of identifiers, each with whether it is only reserved. */
function withStatus(body: Json, name: string): [value: string, isReserved: boolean][] {
  const values = listParam(body, name);
  const statusName = `${name}_identification_status`;
  const statuses = listParam(body, statusName);
  if (statuses.length > 0 && statuses.length !== values.length) {
    throw badParam(
      statusName,
      "form_param_array_length_mismatch",
      `${statusName} must have one entry for each ${name}.`,
    );
  }
  return values.map((value, index) => [value, statuses[index] === "reserved"]);
}

function passwordParam(body: Json): string | null {
  const digest = textParam(body, "password_digest");
  if (digest) {
    if (textParam(body, "password_hasher")) return `digest:${digest}`;
    throw badParam(
      "password_hasher",
      "form_conditional_param_missing",
      "password_digest goes only with password_hasher.",
    );
  }
  const password = textParam(body, "password");
  if (!password) return null;
  if (password.length >= 8 || body.skip_password_checks === true) return password;
  throw new ClerkFailure(
    422,
    "form_password_length_too_short",
    "Passwords must be 8 characters or more.",
    undefined,
    {
      param_name: "password",
    },
  );
}

function primaries(user: User, body: Json): Json {
  const owned: Record<string, { id: string; verification?: unknown }[]> = {
    primary_email_address_id: user.email_addresses,
    primary_phone_number_id: user.phone_numbers,
    primary_web3_wallet_id: user.web3_wallets,
  };
  const changed: Json = {};
  for (const [name, list] of Object.entries(owned)) {
    const id = textParam(body, name);
    if (!id) continue;
    const found = list.find((one) => one.id === id);
    if (!found) throw badParam(name, "form_resource_not_found", `The resource of ${name} was not found.`);
    if (!found.verification) throw badParam(name, "form_verification_needed", `${name} must be verified.`);
    changed[name] = id;
  }
  return changed;
}
