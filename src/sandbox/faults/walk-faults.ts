import type { Store } from "../world/store.js";
import type { Users } from "../world/users.js";

/** What happens while a client pages through the list: for each, before how many of the next pages. */
export interface WalkFaults {
  /** A user is deleted. */
  deletions: number;
  /** The user whose id is the page's cursor is deleted, so the cursor is refused. */
  cursorDeletions: number;
  /** A user is created with an old date, which puts it before the place of a client that reads the oldest first. */
  backdated: number;
}

export function createWalkFaults(store: Store, users: Users) {
  const faults: WalkFaults = { deletions: 0, cursorDeletions: 0, backdated: 0 };

  function happen(query: URLSearchParams): void {
    const { random } = store;
    const cursor = query.get("starting_after");
    if (faults.cursorDeletions > 0 && cursor !== null && store.users.has(cursor)) {
      faults.cursorDeletions--;
      users.remove(cursor);
    }
    if (faults.deletions > 0 && store.users.size > 0) {
      faults.deletions--;
      users.remove([...store.users.keys()][random.int(store.users.size)] ?? "");
    }
    if (faults.backdated > 0) {
      faults.backdated--;
      const oldest = Math.min(...[...store.users.values()].map((user) => user.created_at));
      users.create({
        first_name: "Backdated",
        created_at: new Date(oldest + random.int(1000)).toISOString(),
      });
    }
  }

  return { faults, happen };
}
