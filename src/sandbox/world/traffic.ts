import type { Organizations } from "./organizations.js";
import { addPerson } from "./seed.js";
import type { Store } from "./store.js";
import type { Users } from "./users.js";

export interface TrafficDeps {
  store: Store;
  users: Users;
  organizations: Organizations;
  /** Lets the next message get lost. */
  loseNext(): void;
}

/** Simulates traffic: sign-ups, visits, changes and now and then a deletion. Each sends its webhook, but for a visit without a sign-in. */
export function createTraffic({ store, users, organizations, loseNext }: TrafficDeps) {
  let timer: NodeJS.Timeout | null = null;
  let made = 0;
  let untilLost = 0;

  function stop(): void {
    if (timer) clearInterval(timer);
    timer = null;
  }

  /** How many events happen in a second. 0: none. One in `loseEvery` is a change whose webhook gets lost, the second already. 0: none. */
  function start(perSecond: number, loseEvery = 0): void {
    stop();
    if (perSecond <= 0) return;
    untilLost = 2;
    timer = setInterval(() => {
      if (loseEvery > 0 && --untilLost === 0) {
        untilLost = loseEvery;
        loseNext();
        changePlan(anybody());
      } else happen();
    }, 1000 / perSecond);
    timer.unref();
  }

  function anybody(): string | undefined {
    const ids = [...store.users.keys()];
    return ids[store.random.int(ids.length)];
  }

  function changePlan(id: string | undefined): void {
    if (id === undefined) return;
    users.updateMetadata(id, { public_metadata: { plan: store.random.pick(["free", "pro", "enterprise"]) } });
  }

  function happen(): void {
    const { random, clock } = store;
    const kind = random.next();
    const id = anybody();
    // People come back far more often than new ones sign up.
    if (kind < 0.1 || id === undefined) {
      const now = clock.now();
      addPerson(store, users, 1_000_000 + made++, now, now);
    } else if (kind < 0.5) users.signIn(id);
    else if (kind < 0.6) users.touchActivity(id);
    else if (kind < 0.78) changePlan(id);
    else if (kind < 0.9) users.update(id, { first_name: random.pick(["Alex", "Sam", "Zoë", "さくら"]) });
    else if (kind < 0.92) users.setBanned(id, random.chance(0.5));
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
