/** What can be done to a user through Clerk, after it was asked whether it is meant. */
export interface UserAction {
  name: "ban" | "unban" | "lock" | "unlock" | "delete";
  /** On its button. */
  label: string;
  method: "POST" | "DELETE";
  /** Below `/v1/users/{id}`. */
  path: string;
  /** What it means for the user, as a sentence. */
  effect: string;
  /** What is said when it is done. */
  done: string;
  isHarmful: boolean;
  /** Whether there is anything to do. */
  applies(user: Readonly<Record<string, unknown>>): boolean;
}

export const USER_ACTIONS: readonly UserAction[] = [
  {
    ...{ name: "ban", label: "Ban", method: "POST", path: "/ban", isHarmful: true },
    effect: "All sessions of the user end, and the user can't sign in until the ban is lifted.",
    done: "The user is banned.",
    applies: ({ banned }) => banned !== true,
  },
  {
    ...{ name: "unban", label: "Lift the ban", method: "POST", path: "/unban", isHarmful: false },
    effect: "The user can sign in again.",
    done: "The ban is lifted.",
    applies: ({ banned }) => banned === true,
  },
  {
    ...{ name: "lock", label: "Lock", method: "POST", path: "/lock", isHarmful: true },
    effect: "The user can't sign in until the lock is lifted, or ends by itself.",
    done: "The user is locked.",
    applies: ({ locked }) => locked !== true,
  },
  {
    ...{ name: "unlock", label: "Unlock", method: "POST", path: "/unlock", isHarmful: false },
    effect: "The user can sign in again.",
    done: "The user is unlocked.",
    applies: ({ locked }) => locked === true,
  },
  {
    ...{ name: "delete", label: "Delete", method: "DELETE", path: "", isHarmful: true },
    effect:
      "The user, with all identifiers, metadata and memberships, is deleted at Clerk and here. This can't be undone.",
    done: "The user is deleted.",
    applies: () => true,
  },
];

export const actionNamed = (name: string): UserAction | undefined =>
  USER_ACTIONS.find((action) => action.name === name);
