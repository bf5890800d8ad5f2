import { makeAccount, makePasskey } from "./identifiers.js";
import type { Organizations } from "./organizations.js";
import { type Awkwardness, makePerson } from "./people.js";
import { createRandom } from "./random.js";
import type { Store } from "./store.js";
import type { User } from "./types.js";
import type { Users } from "./users.js";
import { signUpDay, visitDays } from "./visits.js";

const DAY_MS = 86_400_000;
const YEARS_MS = 4 * 365 * DAY_MS;

export interface Wanted extends Awkwardness {
  users: number;
  organizations: number;
  firstPerson: number;
  /** So many days up to now have a history: people signed up on them and came back. 0: none, and sign-ups over some years. */
  historyDays: number;
}

/** Fills an empty sandbox with people and their organizations. */
export function seed(store: Store, users: Users, organizations: Organizations, wanted: Wanted): void {
  if (wanted.historyDays > 0) seedHistory(store, users, organizations, wanted);
  else seedYears(store, users, organizations, wanted);
}

function seedYears(store: Store, users: Users, organizations: Organizations, wanted: Wanted): void {
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

/** An application that has grown for some time: `store.visits` says who came when. */
function seedHistory(store: Store, users: Users, organizations: Organizations, wanted: Wanted): void {
  const { clock } = store;
  // Of its own, so that people don't depend on how often others came.
  const random = createRandom(wanted.firstPerson + 4_000_003);
  const now = clock.now();
  const lastDay = Math.floor(now / DAY_MS);
  const firstDay = lastDay - wanted.historyDays + 1;
  const people: User[] = [];
  for (let nth = 0; nth < wanted.users; nth++) {
    const createdDay = signUpDay(random, { firstDay, lastDay });
    const createdAt = momentOf(createdDay);
    const user = addPerson(store, users, wanted.firstPerson + nth, createdAt, now, wanted);
    const days = visitDays(random, { createdDay, firstDay, lastDay });
    const last = days.at(-1) ?? createdDay + random.int(firstDay - createdDay);
    const signedIn = days[random.int(days.length)] ?? last;
    user.last_active_at = last * DAY_MS;
    user.last_sign_in_at = Math.max(createdAt, momentOf(signedIn));
    store.visits.set(user.id, days);
    people.push(user);
  }
  for (let n = 0; n < wanted.organizations && people.length > 0; n++) {
    const foundedAt = momentOf(firstDay + random.int(wanted.historyDays));
    const organization = organizations.create({
      name: ORGANIZATIONS[n] ?? `Organization ${n + 1}`,
      public_metadata: { tier: n % 3 },
    });
    Object.assign(organization, { created_at: foundedAt, updated_at: foundedAt });
    const members = new Set(
      Array.from({ length: 1 + random.int(40) }, () => people[random.int(people.length)]),
    );
    for (const user of members) {
      if (!user) continue;
      const joinedAt = foundedAt + Math.floor(random.next() ** 2 * (now - foundedAt));
      const membership = organizations.createMembership({
        organization_id: organization.id,
        user_id: user.id,
        role: random.chance(0.25) ? "org:admin" : "org:member",
      });
      const at = Math.max(joinedAt, user.created_at);
      Object.assign(membership, { created_at: at, updated_at: at });
    }
  }

  /** A time of that day, in the past. */
  function momentOf(day: number): number {
    return Math.min(day * DAY_MS + Math.floor(random.next() * DAY_MS), now - 1);
  }
}

const ORGANIZATIONS = [
  ...["Acme", "Globex", "Initech", "Umbrella", "Müller & Söhne", "株式会社山田", "O'Brien's", "Hooli"],
  ...[
    "Stark Industries",
    "Wayne Enterprises",
    "Soylent",
    "Tyrell",
    "Cyberdyne",
    "Wonka",
    "Aperture",
    "Vandelay",
  ],
  ...[
    "Nakatomi",
    "Pied Piper",
    "Massive Dynamic",
    "Oscorp",
    "Weyland",
    "Gringotts",
    "Duff",
    "Monsters, Inc.",
  ],
];

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
