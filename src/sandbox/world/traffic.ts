import type { Organizations } from "./organizations.js";
import { addPerson } from "./seed.js";
import type { Store } from "./store.js";
import type { Users } from "./users.js";

/** Simulates traffic: sign-ups, visits, changes and now and then a deletion. Each sends its webhook, but for a visit without a sign-in. */
export function createTraffic(store: Store, users: Users, organizations: Organizations) {
  let timer: NodeJS.Timeout | null = null;
  let made = 0;

  function stop(): void {
    if (timer) clearInterval(timer);
    timer = null;
  }

  /** How many events happen in a second. 0: none. */
  function start(perSecond: number): void {
    stop();
    if (perSecond <= 0) return;
    timer = setInterval(happen, 1000 / perSecond);
    timer.unref();
  }

  function happen(): void {
    const { random, clock } = store;
    const kind = random.next();
    const ids = [...store.users.keys()];
    const id = ids[random.int(ids.length)];
    if (kind < 0.35 || id === undefined) {
      const now = clock.now();
      addPerson(store, users, 1_000_000 + made++, now, now);
    } else if (kind < 0.5) users.signIn(id);
    else if (kind < 0.6) users.touchActivity(id);
    else if (kind < 0.8)
      users.updateMetadata(id, { public_metadata: { plan: random.pick(["free", "pro", "enterprise"]) } });
    else if (kind < 0.9) users.update(id, { first_name: random.pick(["Alex", "Sam", "Zoë", "さくら"]) });
    else if (kind < 0.95) users.setBanned(id, random.chance(0.5));
    else if (kind < 0.97) join(id);
    else users.remove(id);
  }

  function join(userId: string): void {
    const ids = [...store.organizations.keys()];
    const id = ids[store.random.int(ids.length)];
    const isMember = [...store.memberships.values()].some(
      (one) => one.user_id === userId && one.organization_id === id,
    );
    if (id && !isMember)
      organizations.createMembership({ organization_id: id, user_id: userId, role: "org:member" });
  }

  return { start, stop };
}

export type Traffic = ReturnType<typeof createTraffic>;
