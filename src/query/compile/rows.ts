import type { Identifiers } from "../condition.js";

/** A user's elements: which rows they are, and what must hold of them. */
export interface Rows {
  from: string;
  userId: string;
  condition: string;
}

/** Starts from the elements, which have an index. */
export const fromRows = ({ from, userId, condition }: Rows) => `s.id in (select ${userId} from ${from}
    where ${condition})`;

/** Starts from the user: `not in` would gather the elements of all others first. */
export const whoHas = ({ from, userId, condition }: Rows) => `exists (select from ${from}
    where ${userId} = s.id and ${condition})`;

export const identifiers = (kind: Identifiers, condition: string): Rows => ({
  from: "mirror_data.user_identifiers i",
  userId: "i.user_id",
  condition: `i.kind = '${kind}' and ${condition}`,
});

/** Without tombstones, and without those of deleted users and organizations. */
export const memberships = (condition: string): Rows => ({
  from: "mirror.organization_memberships m",
  userId: "m.user_id",
  condition,
});
