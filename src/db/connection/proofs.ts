import type { Logger } from "../../observability/logger.js";
import type { Database } from "./client.js";
import { withLimit } from "./connections.js";
import type { Sql } from "./sql.js";
import { isReadOnly } from "./trouble.js";

/** What each pool was last seen to do, by statements of its own kind that change nothing. */
export interface Proofs {
  /** Whether each pool succeeded. */
  hold(): boolean;
  /** Asks again through each pool that isn't being asked just now. */
  refresh(): void;
  /** Whether a user can be read now. */
  read(): Promise<boolean>;
}

export interface ProofsDeps extends Pick<Database, "primary" | "readers"> {
  /** Called when a write succeeds after one was refused. */
  onWritable: () => Promise<unknown>;
  log: Logger;
}

/**
 * Each takes a round trip. A statement that takes longer, not counting the wait for a free connection, runs on a dead
 * connection.
 */
const LIMIT_MS = 3000;

export function createProofs({
  primary: { sql },
  readers: { points, searches },
  onWritable,
  log,
}: ProofsDeps): Proofs {
  let refused = false;

  const read = createProof(withLimit(points, LIMIT_MS), async (limited) => {
    await limited`select from mirror_data.users where id = ''`;
  });
  const find = createProof(withLimit(searches, LIMIT_MS), async (limited) => {
    await limited`select 1`;
  });
  const write = createProof(withLimit(sql, LIMIT_MS), async (limited) => {
    // A server that can't write refuses it, although it changes nothing.
    await limited`update mirror_data.upstream set api_url = api_url where false`.catch((error) => {
      if (!refused && isReadOnly(error)) {
        refused = true;
        log.error(
          { reason: error.message },
          "Postgres can only be read: webhooks are refused to be sent again",
        );
      }
      throw error;
    });
    if (!refused) return;
    await onWritable();
    refused = false;
    log.warn("Postgres can be written");
  });

  return {
    hold: () => [read, find, write].every((proof) => proof.holds()),
    refresh() {
      for (const proof of [read, find, write]) void proof.ask();
    },
    read: read.ask,
  };
}

function createProof(sql: Sql, work: (sql: Sql) => Promise<void>) {
  let holds = true;
  let asking: Promise<boolean> | null = null;

  /** While it is being asked again, its last result stands. */
  function ask(): Promise<boolean> {
    asking ??= work(sql)
      .then(
        () => true,
        // It waited behind others and wasn't even sent.
        (error: { code?: unknown }) => holds && error.code === "POOL_BUSY",
      )
      .then((result) => {
        asking = null;
        holds = result;
        return result;
      });
    return asking;
  }

  return { ask, holds: () => holds };
}
