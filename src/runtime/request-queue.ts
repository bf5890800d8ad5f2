import type { Config } from "../config.js";
import type { Availability } from "../db/connection/availability.js";
import type { Sql } from "../db/connection/sql.js";
import { createSharedAllowance } from "../db/quota-store.js";
import { type Budget, createBudget, createLocalAllowance } from "../upstream/request-queue.js";

/** What this process may spend while it can't ask what the others have. */
const SHARE_ALONE = 0.1;

/** The most of all requests that reads may have, on behalf of whoever; and what of that one key may have. */
const READ_SHARE = 0.5;
const KEYS_SHARE = 0.8;

/** The requests that this process may send to Clerk: of one budget with all others while Postgres can be asked. */
export function openBudget(
  sql: Sql,
  availability: Pick<Availability, "guard">,
  { rateLimit: limit, backgroundShare }: Config["upstream"],
): Budget {
  const shares = { backgroundShare, readShare: READ_SHARE };
  const alone = createLocalAllowance({ ...shares, limit: Math.max(1, Math.floor(limit * SHARE_ALONE)) });
  return createBudget(createSharedAllowance({ ...shares, sql, availability, limit, alone }), {
    readers: {
      mostPerKey: Math.max(1, Math.floor(limit * READ_SHARE * KEYS_SHARE)),
      windowMs: 10_000,
    },
  });
}
