import type { Config } from "../config.js";
import type { Availability } from "../db/connection/availability.js";
import type { Sql } from "../db/connection/sql.js";
import { createSharedQuotaStore } from "../db/quota-store.js";
import { createLocalQuotaStore, createRequestQueue, type RequestQueue } from "../upstream/request-queue.js";

/** The share of the limit that this process may use while Postgres can't tell it what the other processes have used. */
const SHARE_ALONE = 0.1;

/** The share of all requests that reads may use, whoever asks; and the share of that for a single API key. */
const READ_SHARE = 0.5;
const KEYS_SHARE = 0.8;

/** The queue of this process's requests to Clerk. All processes share one quota while Postgres can be reached. */
export function openRequestQueue(
  sql: Sql,
  availability: Pick<Availability, "guard">,
  { rateLimit: limit, backgroundShare }: Config["upstream"],
): RequestQueue {
  const shares = { backgroundShare, readShare: READ_SHARE };
  const alone = createLocalQuotaStore({ ...shares, limit: Math.max(1, Math.floor(limit * SHARE_ALONE)) });
  return createRequestQueue(createSharedQuotaStore({ ...shares, sql, availability, limit, alone }), {
    readers: {
      mostPerKey: Math.max(1, Math.floor(limit * READ_SHARE * KEYS_SHARE)),
      windowMs: 10_000,
    },
  });
}
