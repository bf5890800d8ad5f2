import type { Bounds } from "../../src/sync/ledger/windows.js";
import type { ClerkApi, One, Page, UserListQuery } from "../../src/upstream/users.js";

type Person = Record<string, unknown> & { id: string; created_at: number; updated_at: number };

const FIRST_MS = Date.UTC(2020, 0, 1);
const SPACING_MS = 100;

/**
 * A Clerk of any size that counts its requests. Its people are computed from their number when somebody asks for
 * them, so that a million of them take no memory.
 */
export function createCountingClerk(users: number) {
  const deleted = new Set<number>();
  /** Users who changed or were added later, the latest last. */
  const touched = new Map<string, Person>();
  let asked = 0;

  const createdAt = (n: number) => FIRST_MS + n * SPACING_MS;
  const numberOf = (id: string) => Number.parseInt(id.slice("user_".length), 36);
  const lives = (n: number) => n >= 0 && n < users && !deleted.has(n);
  const original = (n: number) => touched.get(idOf(n)) ?? person(idOf(n), createdAt(n), createdAt(n));
  const added = () => [...touched.values()].filter(({ id }) => numberOf(id) >= users);

  function find(id: string): Person | null {
    const n = numberOf(id);
    return lives(n) ? original(n) : (added().find((one) => one.id === id) ?? null);
  }

  /** The numbers of the first user within these bounds, and of the first behind them. */
  function range({ afterMs, beforeMs }: Bounds): [number, number] {
    const from = afterMs === null ? 0 : Math.floor((afterMs - FIRST_MS) / SPACING_MS) + 1;
    const to = beforeMs === null ? users : Math.ceil((beforeMs - FIRST_MS) / SPACING_MS);
    return [Math.min(users, Math.max(0, from)), Math.min(users, Math.max(0, to))];
  }

  const within = (at: number, { afterMs, beforeMs }: Bounds) =>
    (afterMs === null || at > afterMs) && (beforeMs === null || at < beforeMs);

  function count(bounds: Bounds): number {
    const [from, to] = range(bounds);
    const gone = [...deleted].filter((n) => n >= from && n < to).length;
    const came = added().filter(({ created_at }) => within(created_at, bounds)).length;
    return Math.max(0, to - from) - gone + came;
  }

  function oldestFirst(query: UserListQuery, bounds: Bounds): Person[] {
    const [from, to] = range(bounds);
    const cursor = query.startingAfter ? find(query.startingAfter) : null;
    const found: Person[] = [];
    const start = cursor
      ? Math.max(from, range({ afterMs: cursor.created_at - 1, beforeMs: null })[0])
      : from;
    const isBehind = (one: { id: string; created_at: number }) =>
      !cursor ||
      one.created_at > cursor.created_at ||
      (one.created_at === cursor.created_at && one.id > cursor.id);
    const wanted = query.limit + (query.offset ?? 0);
    const others = added().filter((one) => within(one.created_at, bounds) && isBehind(one));
    for (let n = start; n < to && found.length < wanted; n++) {
      if (lives(n) && isBehind({ id: idOf(n), created_at: createdAt(n) })) found.push(original(n));
    }
    const all = [...found, ...others].sort((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1));
    return all.slice(query.offset ?? 0, wanted);
  }

  function latestChangedFirst({ limit, offset = 0 }: UserListQuery): Person[] {
    const found = [...touched.values()].reverse().filter(({ id }) => find(id) !== null);
    for (let n = users - 1; n >= 0 && found.length < limit + offset; n--) {
      if (lives(n) && !touched.has(idOf(n))) found.push(original(n));
    }
    return found.slice(offset, limit + offset);
  }

  function answer<T>(make: () => T): Promise<T> {
    asked++;
    return Promise.resolve(make());
  }

  const page = (items: unknown[]): Page => ({ items, totalCount: null, startedAtMs: Date.now() });
  const none = () => answer(() => ({ ...page([]), totalCount: 0 }));
  const boundsOf = (query: Partial<UserListQuery>): Bounds => ({
    afterMs: query.createdAtAfter ?? null,
    beforeMs: query.createdAtBefore ?? null,
  });
  const api: ClerkApi = {
    listUsers: (query) =>
      answer(() => {
        if (query.userIds) return page(query.userIds.flatMap((id) => find(id) ?? []));
        const newest = query.orderBy === "-updated_at";
        return page(newest ? latestChangedFirst(query) : oldestFirst(query, boundsOf(query)));
      }),
    countUsers: (query) =>
      answer(() => query.userIds?.filter((id) => find(id)).length ?? count(boundsOf(query))),
    getUser: (id) =>
      answer((): One => {
        const object = find(id);
        return object
          ? { kind: "live", object, startedAtMs: Date.now() }
          : { kind: "gone", startedAtMs: Date.now() };
      }),
    getOrganization: () => answer(() => ({ kind: "gone" as const, startedAtMs: Date.now() })),
    listOrganizations: none,
    listMemberships: none,
    listOrganizationMemberships: none,
    getInstance: () => answer(() => null),
    clockOffsetMs: () => 0,
  };

  return {
    api,
    asked: () => asked,
    idOf,
    create() {
      const id = idOf(users + touched.size);
      touched.set(id, person(id, Date.now() - 3_600_000, Date.now()));
      return id;
    },
    update(n: number) {
      touched.delete(idOf(n));
      touched.set(idOf(n), {
        ...person(idOf(n), createdAt(n), Date.now()),
        first_name: `Changed ${Date.now()}`,
      });
    },
    remove: (n: number) => void deleted.add(n),
  };
}

const idOf = (n: number) => `user_${n.toString(36).padStart(10, "0")}`;

function person(id: string, created_at: number, updated_at: number): Person {
  return {
    id,
    object: "user",
    created_at,
    updated_at,
    external_id: null,
    username: id.slice(5),
    first_name: "Ada",
    last_name: `Number ${id.slice(5)}`,
    image_url: "https://img.example/1",
    has_image: false,
    primary_email_address_id: null,
    primary_phone_number_id: null,
    primary_web3_wallet_id: null,
    public_metadata: {},
    private_metadata: {},
    unsafe_metadata: {},
    email_addresses: [],
    phone_numbers: [],
    web3_wallets: [],
    passkeys: [],
    external_accounts: [],
    saml_accounts: [],
    enterprise_accounts: [],
    password_enabled: true,
    two_factor_enabled: false,
    totp_enabled: false,
    backup_code_enabled: false,
    banned: false,
    locked: false,
    lockout_expires_in_seconds: null,
    last_active_at: null,
    last_sign_in_at: null,
  };
}
