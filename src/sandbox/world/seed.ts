import { makeAccount, makePasskey } from "./identifiers.js";
import type { Organizations } from "./organizations.js";
import { type Awkwardness, makePerson } from "./people.js";
import type { Store } from "./store.js";
import type { User } from "./types.js";
import type { Users } from "./users.js";

const DAY_MS = 86_400_000;
const YEARS_MS = 4 * 365 * DAY_MS;

/** Fills an empty sandbox with people who signed up over some years, and with their organizations. */
export function seed(
  store: Store,
  users: Users,
  organizations: Organizations,
  wanted: { users: number; organizations: number; firstPerson: number } & Awkwardness,
): void {
  const { random, clock } = store;
  const now = clock.now();
  const ids: string[] = [];
  for (let nth = 0; nth < wanted.users; nth++) {
    // Some people have the same creation time as another, as after an import.
    const back = random.chance(0.02) && nth > 0 ? null : Math.floor(random.next() * YEARS_MS);
    const previous = store.users.get(ids.at(-1) ?? "")?.created_at ?? now;
    const createdAt = back === null ? previous : now - back;
    ids.push(addPerson(store, users, wanted.firstPerson + nth, createdAt, now, wanted).id);
  }
  for (let n = 0; n < wanted.organizations; n++) {
    const organization = organizations.create({
      name: `Organization ${n + 1}`,
      public_metadata: { tier: n % 3 },
    });
    const members = new Set(Array.from({ length: 1 + random.int(40) }, () => ids[random.int(ids.length)]));
    for (const id of members) {
      if (id)
        organizations.createMembership({
          organization_id: organization.id,
          user_id: id,
          role: random.pick(["org:member", "org:member", "org:admin"]),
          public_metadata: members.size % 3 === 0 ? { department: "sales", level: members.size % 5 } : {},
        });
    }
  }
}

/** Creates one more person, with that creation time. */
export function addPerson(
  store: Store,
  users: Users,
  n: number,
  createdAtMs: number,
  nowMs: number,
  awkwardness?: Awkwardness,
): User {
  const { random } = store;
  const person = makePerson(random, n, awkwardness);
  const daysAgo = (days: number | null) =>
    days === null ? null : Math.max(createdAtMs, nowMs - days * DAY_MS);
  const lastActive = daysAgo(person.lastActiveDaysAgo);
  const accounts = person.accounts.map((account) =>
    makeAccount(
      random,
      { ...account, email: `account${n}@example.com`, firstName: "Given", lastName: "Family" },
      createdAtMs,
    ),
  );
  const passkeys = person.hasPasskey ? [makePasskey(random, createdAtMs)] : [];
  const updatedAt = Math.min(nowMs, createdAtMs + Math.floor(random.next() * (nowMs - createdAtMs)));
  return users.create(
    { ...person.body, locked: person.locked, created_at: new Date(createdAtMs).toISOString() },
    (user) => {
      Object.assign(user, {
        external_accounts: accounts,
        passkeys,
        last_active_at: lastActive === null ? null : Math.floor(lastActive / DAY_MS) * DAY_MS,
        last_sign_in_at: daysAgo(person.lastSignInDaysAgo),
        updated_at: updatedAt,
      });
    },
  );
}
