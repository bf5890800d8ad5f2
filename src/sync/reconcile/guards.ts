import { userCount } from "../../changes/counters.js";
import type { Sql } from "../../db/connection/sql.js";
import { AppError } from "../../lib/errors.js";
import { idOf } from "./clerk-pages.js";
import type { ClerkReader } from "./clerk-reader.js";
import { knownUsers } from "./deletions.js";

/** Reconciles that together delete no more users than this need no permission, however small the mirror is. */
const PURGE_AT_LEAST = 20;

/** With another instance's key every user would look deleted, so a known user must still be there. */
export async function refuseWrongInstance(sql: Sql, clerk: ClerkReader): Promise<void> {
  const known = await knownUsers(sql);
  for (const id of known) {
    if ((await clerk.getUser(id)).kind === "live") return;
  }
  if (known.length === 0) return;
  throw new AppError(
    "configuration",
    `None of ${known.length} users known here exists in the Clerk that CLERK_SECRET_KEY and CLERK_API_URL lead to: ` +
      "it must be another instance. Nothing was changed.",
  );
}

/** The same for a page of Clerk's: where it shows somebody known, no request is needed to find that out. */
export async function refuseUnlessKnown(
  sql: Sql,
  clerk: ClerkReader,
  items: readonly unknown[],
): Promise<void> {
  const ids = items.flatMap((item) => idOf(item) ?? []);
  const [known] = await sql`
    select from mirror_data.users where id in ${sql(ids.length > 0 ? ids : [""])} and payload is not null limit 1`;
  if (known === undefined) await refuseWrongInstance(sql, clerk);
}

/**
 * Stops what looks like an accident at Clerk before anybody is deleted. The deletions of the last day's runs
 * (`before`) count too. Throws `conflict`, which says how to allow it.
 */
export async function refusePurge(
  sql: Sql,
  deleting: number,
  { purgeLimit, before }: { purgeLimit: number; before: number },
): Promise<void> {
  const total = (await userCount(sql)) + before;
  const together = deleting + before;
  if (together <= PURGE_AT_LEAST || together <= purgeLimit * total) return;
  throw new AppError(
    "conflict",
    `${deleting} users are gone from Clerk (with ${before} in the last 24 hours that is ${together} of ${total}), more ` +
      "than PURGE_LIMIT lets a reconcile delete by itself. Nobody was deleted. If it is meant: " +
      "`user-mirror reconcile --full --allow-purge`.",
  );
}
