import type { Store } from "../world/store.js";
import type { User } from "../world/types.js";

/** The users as lists and counts show them: the current ones or, with a lag, those of that long ago. */
export interface ListedUsers {
  users(): ReadonlyMap<string, User>;
  /** Changes whenever the users that are shown change. */
  version(): number;
  setLag(ms: number): void;
  /** To be called after each change. */
  note(userId: string): void;
}

export function createListedUsers(store: Store): ListedUsers {
  let lagMs = 0;
  let shown = new Map<string, User>();
  let due: { atMs: number; id: string; user: User | null }[] = [];
  let shownVersion = 0;

  function catchUp(): void {
    const now = store.clock.now();
    while (due[0] && due[0].atMs <= now) {
      const { id, user } = due.shift() as (typeof due)[number];
      if (user) shown.set(id, user);
      else shown.delete(id);
      shownVersion++;
    }
  }

  return {
    users() {
      if (lagMs === 0) return store.users;
      catchUp();
      return shown;
    },
    version() {
      if (lagMs === 0) return store.version;
      catchUp();
      return -1 - shownVersion;
    },
    setLag(ms) {
      // Changes that are waiting keep their time: setting the lag again and again must not hide a change for ever.
      if (lagMs === 0 || ms === 0) {
        shown = new Map(ms > 0 ? structuredClone([...store.users]) : []);
        due = [];
      }
      lagMs = ms;
    },
    note(id) {
      if (lagMs === 0) return;
      const user = store.users.get(id);
      due.push({ atMs: store.clock.now() + lagMs, id, user: user ? structuredClone(user) : null });
    },
  };
}
