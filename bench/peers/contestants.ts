import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Sql } from "../../src/db/connection/sql.js";
import type { LoadRequest } from "../http/load.js";
import { startMirror, startScript, type Target } from "../http/processes.js";
import { type EventKind, sampleIds, webhooks } from "../http/requests.js";
import { customerEvents } from "./customers.js";
import {
  createPeerDatabase,
  createRolePostgres,
  fillGuide,
  fillStripes,
  fillSupabases,
  type PeerDatabase,
} from "./databases.js";

/** A server that takes webhooks and keeps a table by them. */
export interface Contestant {
  name: string;
  /** What its users' events change. */
  kinds: readonly EventKind[];
  target: Target;
  /** So many signed events, each newer than all before, about the first `distinct` of always the same users, in turn. */
  events(kind: EventKind, count: number, distinct: number): Promise<LoadRequest[]>;
  /** Where its rows are; `$1` are ids. Names and times as the events have them, times in milliseconds. */
  stored: { sql: Sql; text: string };
}

export const MIRROR = "User Mirror";
export const GUIDE = "the handler of Clerk's guide";
export const SUPABASES = "@supabase/stripe-sync-engine 0.48.5";
export const STRIPES = "@stripe/sync-engine 1.0.32";

/** What the mirror takes by default, for all of them. */
const CONNECTIONS = 4 * availableParallelism();
const STRIPE_SECRET = "whsec_bench";

export interface ContestantDeps {
  /** The mirror's own database, filled. */
  sql: Sql;
  url: string;
  users: number;
  /** For the mirror. */
  env: Record<string, string>;
  webhookSecret: string;
  say: (text: string) => void;
}

/** Starts them all, each over a table with as many rows. `stop` may be called whatever became of them. */
export function createContestants(deps: ContestantDeps) {
  const { sql, url, users, env, webhookSecret, say } = deps;
  const stops: (() => Promise<unknown>)[] = [];

  async function started(target: Promise<Target>): Promise<Target> {
    const { stop } = await target;
    stops.unshift(stop);
    return target;
  }

  /** `script` is a file of this folder and what it is to know before the database. */
  async function peer(
    name: string,
    own: { database: string; script: readonly [file: string, ...args: string[]]; secret: string },
    fill: (database: PeerDatabase) => Promise<void>,
  ) {
    say(`filling the tables of ${name}`);
    const database = await createPeerDatabase(sql, url, own.database);
    stops.unshift(database.drop);
    const [file, ...args] = own.script;
    const path = join(import.meta.dirname, file);
    // It makes its tables before it listens.
    const target = await started(startScript([path, ...args, database.url, own.secret, String(CONNECTIONS)]));
    await fill(database);
    return { target, sql: database.sql };
  }

  async function start(): Promise<Contestant[]> {
    stops.unshift(await createRolePostgres(sql));
    const ids = await sampleIds(sql);
    const clerks: Contestant["events"] = (kind, count, distinct) =>
      webhooks(sql, { ids, count, kind, secret: webhookSecret, distinct });
    const stripes: Contestant["events"] = async (_, count, distinct) =>
      customerEvents({ customers: users, count, distinct: Math.min(distinct, users), secret: STRIPE_SECRET });

    const guide = await peer(
      GUIDE,
      { database: "guide", script: ["guide.mjs"], secret: webhookSecret },
      (database) => fillGuide(sql, database),
    );
    const supabases = await peer(
      SUPABASES,
      {
        ...{ database: "supabase", secret: STRIPE_SECRET },
        script: ["stripe.mjs", "@supabase/stripe-sync-engine"],
      },
      (database) => fillSupabases(database, users),
    );
    const stripesOwn = await peer(
      STRIPES,
      { database: "stripe", script: ["stripe.mjs", "@stripe/sync-engine"], secret: STRIPE_SECRET },
      (database) => fillStripes(database, users),
    );
    const mirror = await started(startMirror({ ...env, DATABASE_POOL_MAX: String(CONNECTIONS) }));
    return [
      {
        ...{ name: MIRROR, kinds: ["identity", "activity"], target: mirror, events: clerks },
        stored: { sql, text: USERS.replace("users", "mirror.users") },
      },
      {
        ...{ name: GUIDE, kinds: ["identity", "activity"], target: guide.target, events: clerks },
        stored: { sql: guide.sql, text: USERS },
      },
      {
        ...{ name: SUPABASES, kinds: ["identity"], target: supabases.target, events: stripes },
        stored: { sql: supabases.sql, text: CUSTOMERS },
      },
      {
        ...{ name: STRIPES, kinds: ["identity"], target: stripesOwn.target, events: stripes },
        stored: { sql: stripesOwn.sql, text: CUSTOMERS.replace("last_synced_at", "_last_synced_at") },
      },
    ];
  }

  async function stop(): Promise<void> {
    for (const one of stops) await one();
  }

  return { start, stop };
}

const USERS =
  "select id, first_name as name, extract(epoch from updated_at) * 1000 as at from users where id = any($1::text::text[])";
const CUSTOMERS =
  "select id, name, extract(epoch from last_synced_at) * 1000 as at from stripe.customers where id = any($1::text::text[])";
